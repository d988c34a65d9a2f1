import type { Command } from 'commander';
import { adminLeaf } from './admin-leaf.ts';
import { type EntryDocument, entryDocument } from './documents.ts';
import { clearable, type EntryFlags, entryFlags, entryOfFlags, namedFields } from './entry-flags.ts';
import { entryFacts, entryTable, warningLines } from './entry-text.ts';
import { CommandError } from './failure.ts';
import { parsed, repeated } from './leaf.ts';
import { parseLimit } from './number.ts';
import * as shapes from './shapes.ts';
import { plural } from './text.ts';

interface Filter {
  readonly spiffeId?: string;
  readonly owner?: string;
  readonly selector: readonly string[];
  readonly limit?: number;
}

export function define(entry: Command): void {
  create(entry.command('create'));
  show(entry.command('show <id>'));
  list(entry.command('list'));
  update(entry.command('update <id>'));
  remove(entry.command('delete <id>'));
  count(entry.command('count'));
}

function create(command: Command): void {
  entryFlags(command).option('--file <path>', 'many at once, NDJSON or YAML; - is standard input');
  adminLeaf<[], EntryFlags & { file?: string }>(command, {
    does: 'say which workload is owed which identity, and who answers for it',
    about:
      'With --file every entry of the file is created in one transaction, or none is. Its fields are those that ' +
      '`entry show --json` prints; durations may be written 1h. NDJSON, an entry a line, is the quicker one to read.',
    prints: shapes.createdEntries,
    examples: [
      'mayfly entry create --spiffe-id spiffe://example.org/web --selector unix:uid:1000 --owner ada',
      "mayfly entry create --spiffe-id spiffe://example.org/job --selector unix:uid:1001 --owner ada --audience aws --audience 'bench-*'",
      'mayfly entry create --file entries.ndjson',
    ],
    ask: async (admin, _, { file, ...flags }) => {
      if (file !== undefined && namedFields(flags).length > 0) throw eitherOr();
      if (file === undefined) demandFields(flags);
      const { createFromFile, createOne } = await import('./entry-create.ts');
      const { readEntryFile } = await import('./entry-file.ts');
      const created =
        file === undefined
          ? await createOne(admin, entryOfFlags(flags))
          : await createFromFile(admin, await readEntryFile(file));
      const { warnings } = created;
      const entries = created.entries.map(entryDocument);
      return { document: { entries, warnings }, text: createdText(entries), warnings: warningLines(warnings) };
    },
  });
}

function show(command: Command): void {
  adminLeaf<[id: string], object>(command, {
    does: 'show one entry',
    prints: shapes.entry,
    ask: async (admin, [id]) => {
      const entry = entryDocument(await admin.ask(admin.client.getEntry, { id }));
      return { document: entry, text: entryFacts(entry) };
    },
  });
}

function list(command: Command): void {
  filters(command).option('--limit <n>', 'at most so many; 0 = all', parsed(parseLimit), 0);
  adminLeaf<[], Filter>(command, {
    does: 'list entries',
    prints: shapes.entries,
    examples: ['mayfly entry list --owner ada', 'mayfly entry list --selector unix:uid:1000 --json'],
    ask: async (admin, _, filter) => {
      const entries = (await admin.collect(admin.client.listEntries, requestOf(filter))).map(entryDocument);
      return { document: { entries }, text: entryTable(entries) };
    },
  });
}

function update(command: Command): void {
  const clear = repeated('--clear <option>', 'empty what this option sets', Object.keys(clearable));
  entryFlags(command).addOption(clear);
  adminLeaf<[id: string], EntryFlags & { clear: readonly (keyof typeof clearable)[] }>(command, {
    does: 'change the fields that the options name; the others stay',
    prints: shapes.updatedEntry,
    examples: [
      'mayfly entry update 0193… --selector unix:uid:1000 --selector unix:gid:1000',
      'mayfly entry update 0193… --clear expires-at',
    ],
    ask: async (admin, [id], { clear: cleared, ...flags }) => {
      const fields = [...new Set([...namedFields(flags), ...cleared.map((option) => clearable[option])])];
      if (fields.length === 0) throw nothingToChange();
      const request = { entry: { ...entryOfFlags(flags), id }, fields };
      const { entry, warnings } = await admin.ask(admin.client.updateEntry, request);
      const document = entryDocument(entry ?? { ...entryOfFlags(flags), id });
      const text = `Updated.\n${entryFacts(document)}`;
      return { document: { entry: document, warnings }, text, warnings: warningLines(warnings) };
    },
  });
}

function remove(command: Command): void {
  adminLeaf<[id: string], object>(command, {
    does: 'end an entry and what is served for it, at once',
    prints: shapes.entry,
    ask: async (admin, [id]) => {
      const entry = entryDocument(await admin.ask(admin.client.deleteEntry, { id }));
      return { document: entry, text: `Deleted entry ${entry.id} for ${entry.spiffeId}.\n` };
    },
  });
}

function count(command: Command): void {
  adminLeaf<[], Filter>(filters(command), {
    does: 'count entries',
    prints: shapes.count,
    ask: async (admin, _, filter) => {
      const { count: found } = await admin.ask(admin.client.countEntries, requestOf(filter));
      return { document: { count: found }, text: `${found}\n` };
    },
  });
}

const filters = (command: Command): Command =>
  command
    .option('--spiffe-id <id>', 'with this SPIFFE ID')
    .option('--owner <person>', 'of this person')
    .addOption(repeated('--selector <type:value>', 'that have this selector'));

const requestOf = ({ spiffeId = '', owner = '', selector, limit = 0 }: Filter) => ({
  spiffeId,
  owner,
  selectors: [...selector],
  limit,
});

const createdText = (entries: readonly EntryDocument[]): string => {
  const [only] = entries;
  return entries.length === 1 && only !== undefined
    ? `Created.\n${entryFacts(only)}`
    : `Created ${plural(entries.length, 'entry', 'entries')}.\n`;
};

function demandFields({ spiffeId, selector, owner }: EntryFlags): void {
  const missing = [
    ...(spiffeId === undefined ? ['--spiffe-id'] : []),
    ...(selector.length === 0 ? ['--selector'] : []),
    ...(owner === undefined ? ['--owner'] : []),
  ];
  if (missing.length === 0) return;
  const next = 'An entry needs an identity, what a process must have to get it, and a person who answers for it.';
  throw new CommandError('invalid-argument', `missing: ${missing.join(', ')}`, next);
}

const eitherOr = (): CommandError =>
  new CommandError('invalid-argument', '--file says everything about its entries', 'Leave the other options out.');

const nothingToChange = (): CommandError =>
  new CommandError('invalid-argument', 'nothing to change', 'Name the fields: `mayfly entry update --help`.');
