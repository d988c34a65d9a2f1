import type { CreateEntriesRequest, Entry, EntryWarning } from '../gen/mayfly/admin/v1/admin.ts';
import { terminal } from '../runtime/terminal.ts';
import { type Admin, RefusedCall } from './admin.ts';
import { badLine, type EntryFile } from './entry-file.ts';
import { plural } from './text.ts';

export interface Created {
  readonly entries: readonly Entry[];
  readonly warnings: readonly EntryWarning[];
}

const entriesPerMessage = 500;

/** Creates every entry of the file, or none; a refusal by the issuer is told with the line it is about. */
export async function createFromFile(admin: Admin, file: EntryFile): Promise<Created> {
  const total = plural(file.entries.length, 'entry', 'entries');
  try {
    return await create(admin, file.entries, (received) =>
      terminal.progress(
        received < file.entries.length ? `sent ${received.toLocaleString('en')} of ${total}` : `committing ${total}`,
      ),
    );
  } catch (error) {
    if (!(error instanceof RefusedCall) || error.entryIndex === undefined) throw error;
    throw badLine(file.name, file.lineOf(error.entryIndex), error.message, error.code);
  } finally {
    terminal.progress('');
  }
}

/** One call, one transaction. */
export async function create(
  admin: Admin,
  entries: readonly Entry[],
  onProgress: (received: number) => void = () => {},
): Promise<Created> {
  const created: { entries: Entry[]; warnings: EntryWarning[] } = { entries: [], warnings: [] };
  for await (const progress of admin.createEntries(messages(entries))) {
    onProgress(progress.received);
    for (const entry of progress.entries) created.entries.push(entry);
    for (const warning of progress.warnings) created.warnings.push(warning);
  }
  return created;
}

function* messages(entries: readonly Entry[]): Generator<CreateEntriesRequest, void> {
  for (let start = 0; start < entries.length; start += entriesPerMessage) {
    yield { entries: entries.slice(start, start + entriesPerMessage), done: false };
  }
  yield { entries: [], done: true };
}
