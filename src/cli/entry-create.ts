import { type ErrorCode, IdentityError } from '../errors.ts';
import type { CreateEntriesRequest, Entry, EntryWarning } from '../gen/mayfly/admin/v1/admin.ts';
import { terminal } from '../runtime/terminal.ts';
import type { Admin } from './admin.ts';
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
  const tell = (received: number): void => {
    const all = received >= file.entries.length;
    terminal.progress(all ? `committing ${total}` : `sent ${received.toLocaleString('en')} of ${total}`);
  };
  try {
    return await create(admin, file.entries, tell);
  } catch (error) {
    throw placed(error, ({ place, fault, code }) => badLine(file.name, file.lineOf(place - 1), fault, code));
  } finally {
    terminal.progress('');
  }
}

/** Creates the entry that options described. */
export async function createOne(admin: Admin, entry: Entry): Promise<Created> {
  try {
    return await create(admin, [entry]);
  } catch (error) {
    throw placed(error, ({ fault, code }) => new IdentityError(code, fault, { cause: error }));
  }
}

interface RefusedEntry {
  /** Counted from 1. */
  readonly place: number;
  readonly fault: string;
  readonly code: ErrorCode;
}

/** The issuer says which entry of the stream it refuses: `entry 57: there is no person bob`. */
function placed(error: unknown, tell: (refused: RefusedEntry) => Error): unknown {
  if (!(error instanceof IdentityError)) return error;
  const [, place, fault] = /^entry (\d{1,9}): (.*)$/s.exec(error.message) ?? [];
  if (place === undefined || fault === undefined) return error;
  return tell({ place: Number(place), fault, code: error.code });
}

/** One call, one transaction. */
async function create(
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
