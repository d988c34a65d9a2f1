import { resolve } from 'node:path';
import type { Command } from 'commander';
import { IdentityError } from '../errors.ts';
import { systemClock } from '../runtime/clock.ts';
import type { Admin } from './admin.ts';
import { adminLeaf } from './admin-leaf.ts';
import { type RecordDocument, recordDocument, textOrNull } from './documents.ts';
import { CommandError } from './failure.ts';
import { gist } from './gist.ts';
import { parsed } from './leaf.ts';
import { parseMoment } from './moment.ts';
import { parseLimit, parsePid, parseSeq } from './number.ts';
import * as shapes from './shapes.ts';
import { moment, plural, table } from './text.ts';

interface Filter {
  readonly spiffeId?: string;
  readonly owner?: string;
  readonly pid?: number;
  readonly serial?: string;
  readonly jti?: string;
  readonly exchange?: string;
  readonly authority?: string;
  readonly kind?: string;
  readonly since?: number;
}

export function define(ledger: Command): void {
  list(ledger.command('list'));
  show(ledger.command('show [seq]'));
  verify(ledger.command('verify'));
  archive(ledger.command('archive'));
}

function list(command: Command): void {
  filters(command).option('--limit <n>', 'the newest n records; 0 = all', parsed(parseLimit), 100);
  adminLeaf<[], Filter & { limit: number }>(command, {
    does: 'list records, oldest first',
    prints: shapes.records,
    examples: [
      'mayfly ledger list --since -1h',
      'mayfly ledger list --spiffe-id spiffe://example.org/web --limit 0 --json',
    ],
    ask: async (admin, _, { limit, ...filter }) => {
      const records = await recordsOf(admin, filter, 0, limit);
      const more =
        limit > 0 && records.length === limit ? [`only the newest ${limit} are shown; --limit 0 shows all`] : [];
      return { document: { records }, text: recordTable(records), warnings: more };
    },
  });
}

function show(command: Command): void {
  adminLeaf<[seq: string | undefined], Filter>(filters(command), {
    does: 'show records whole: one by its number, or all that the options name',
    prints: shapes.records,
    examples: ['mayfly ledger show 42', 'mayfly ledger show --jti 6b1f…'],
    ask: async (admin, [seq], filter) => {
      if (seq === undefined && !isNarrow(filter)) throw nothingNamed();
      const records = await recordsOf(admin, filter, seq === undefined ? 0 : parseSeq(seq), 0);
      if (records.length === 0) throw new IdentityError('not-found', 'the ledger has no such record');
      return { document: { records }, text: records.map(wholeRecord).join('\n') };
    },
  });
}

function verify(command: Command): void {
  adminLeaf(command, {
    does: 'prove that no record was changed, removed or reordered',
    about: 'Ends with exit code 10 where one was, and names the first.',
    prints: shapes.verification,
    ask: async (admin) => {
      const found = await admin.ask(admin.client.verifyLedger, {}, true);
      const { ok, head, problem } = found;
      const document = {
        ok,
        records: found.records,
        segments: found.segments,
        firstBadSeq: ok ? null : found.firstBadSeq,
        problem: textOrNull(problem),
        head,
      };
      const whole = `${plural(found.records, 'record')} in ${plural(found.segments, 'segment')}`;
      if (ok) return { document, text: `${whole}: none changed, removed or reordered. Head: ${head}\n` };
      return { document, text: '', failure: tampered(found.firstBadSeq, problem) };
    },
  });
}

function archive(command: Command): void {
  const before = (text: string): number => parseMoment(text, systemClock.now(), 'back');
  command.requiredOption('--before <time>', 'only records older than this: RFC 3339, or 30d (ago)', parsed(before));
  command.option('--to <directory>', 'move the segments here; without it they are dropped for good');
  adminLeaf<[], { before: number; to?: string }>(command, {
    does: 'take sealed segments out of the ledger; the rest still verifies',
    prints: shapes.archived,
    examples: ['mayfly ledger archive --before 30d --to /var/backups/mayfly'],
    ask: async (admin, _, options) => {
      // The server has a working directory of its own.
      const directory = options.to === undefined ? '' : resolve(options.to);
      const request = { before: new Date(options.before), directory };
      const { segments, records } = await admin.ask(admin.client.archiveLedger, request, true);
      const how = directory === '' ? 'Dropped' : 'Archived';
      const where = directory === '' ? '' : `, now in ${directory}`;
      const text = `${how} ${plural(segments, 'segment')} with ${plural(records, 'record')}${where}.\n`;
      return { document: { segments, records, directory: textOrNull(directory) }, text };
    },
  });
}

function filters(command: Command): Command {
  const since = (text: string): number => parseMoment(text, systemClock.now(), 'back');
  return command
    .option('--spiffe-id <id>', 'about this SPIFFE ID')
    .option('--owner <person>', 'about entries of this person')
    .option('--pid <pid>', 'about this process', parsed(parsePid))
    .option('--serial <hex>', 'about the certificate with this serial number')
    .option('--jti <id>', 'about the JWT-SVID with this jti')
    .option('--exchange <id>', 'about this exchange: the end of the session’s name at the relying party')
    .option('--authority <id>', 'about this authority, and what it signed')
    .option('--kind <kind>', 'of this kind')
    .option('--since <time>', 'not older than this: RFC 3339, or 1h (ago)', parsed(since));
}

async function recordsOf(admin: Admin, filter: Filter, seq: number, limit: number): Promise<RecordDocument[]> {
  const records = await admin.collect(admin.client.listRecords, {
    spiffeId: filter.spiffeId ?? '',
    owner: filter.owner ?? '',
    pid: filter.pid ?? 0,
    serial: (filter.serial ?? '').replaceAll(':', '').toLowerCase(),
    jti: filter.jti ?? '',
    exchange: filter.exchange ?? '',
    authority: filter.authority ?? '',
    kind: filter.kind ?? '',
    since: filter.since === undefined ? undefined : new Date(filter.since),
    seq,
    limit,
  });
  return records.map(recordDocument).sort((a, b) => a.seq - b.seq);
}

const isNarrow = ({ spiffeId, owner, pid, serial, jti, exchange, authority, kind, since }: Filter): boolean =>
  [spiffeId, owner, pid, serial, jti, exchange, authority, kind, since].some((value) => value !== undefined);

const nothingNamed = (): CommandError =>
  new CommandError('invalid-argument', 'no record is named', 'Name one by its number, or by --jti, --serial, …');

const tampered = (seq: number, problem: string): CommandError =>
  new CommandError(
    'data-loss',
    `the ledger was tampered with: record ${seq} is the first that does not hold: ${problem}`,
    'Keep the data directory as it is for those who look into it; what came before this record is proven.',
  );

const wholeRecord = ({ seq, at, kind, record }: RecordDocument): string =>
  `record ${seq}, ${moment(at)}, ${kind}\n${JSON.stringify(record, undefined, 2)}\n`;

function recordTable(records: readonly RecordDocument[]): string {
  if (records.length === 0) return 'No record matches.\n';
  const rows = records.map(({ seq, at, kind, record }) => [String(seq), moment(at), kind, gist(record)]);
  return table(['SEQ', 'TIME', 'KIND', 'ABOUT'], rows);
}
