/** What is read back from disk and must be as it was written: the ledger and the journal of authorities. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Journal, type JournalContent } from '../../../src/authority/journal.ts';
import { Chain } from '../../../src/ledger/chain.ts';
import { verifyLedger } from '../../../src/ledger/ledger.ts';
import { hashOf, origin, recordLine, Seal } from '../../../src/ledger/record.ts';
import { TrustDomain } from '../../../src/spiffe/id.ts';
import { collect, issued, LedgerDirectory } from '../../fakes/ledger-directory.ts';
import { promise, type Target, texts } from '../engine/target.ts';
import { edit, edited, type File } from './edits.ts';

/** The same in every run: what was kept has to mean the same. */
const now = Date.UTC(2026, 0, 1);
const seal = new Seal(Buffer.alloc(32, 7));
const lines = ledgerLines();

export const ledgerLine: Target = {
  seeds: lines.map((line) => Buffer.from(line)),
  run: (input) => {
    for (const known of [seal, undefined]) {
      const follower = new Chain(origin, known);
      if (follower.follow(input) === undefined && known !== undefined)
        promise(input.equals(Buffer.from(lines[0] ?? '')), 'only the first record comes first');
    }
  },
};

/**
 * Whole directories. The first byte chooses: a closed ledger or one whose first segments were archived; and whether the
 * links are made right again after the edits, which is all that whoever has no key can be asked to find.
 */
export async function ledgerFiles(): Promise<Target> {
  const scene = new LedgerDirectory('memory');
  const whole = await written(scene, false);
  const archived = await written(scene, true);
  return {
    seeds: [
      Buffer.from([0]),
      Buffer.concat([Buffer.from([1]), edit(0, 40, 3, 'abc')]),
      Buffer.concat([Buffer.from([2]), edit(2, 10, 1, 'x'), edit(1, 500, 200, '')]),
      Buffer.concat([Buffer.from([3]), edit(1, 30, 0, '"kind":"ledger.archived"'), edit(0, 0, 255, '')]),
      ...texts(
        '"kind":"ledger.archived"',
        '"segment":1,',
        '"kind":"ledger.segment"',
        '{"seq":1,',
        '\n',
        '"state":"open"',
      ),
    ],
    run: async (input) => {
      const choice = input[0] ?? 0;
      const files = (choice & 1) === 0 ? whole : archived;
      const changed = edited(files, input.subarray(1));
      const relinked = (choice & 2) === 0 ? changed : relink(changed);
      const same = relinked.every(({ bytes, name }, index) => equal(name, bytes, files[index]?.bytes));
      place(scene, relinked);
      promise((await verifyLedger(scene.path, scene.key)).ok === same, 'verify finds every change, and nothing else');
      await verifyLedger(scene.path, undefined);
      const ledger = await scene.open();
      try {
        const records = await collect(ledger.query({}));
        promise(
          records.every(({ seq }, index) => index === 0 || seq > (records[index - 1]?.seq ?? 0)),
          'in order',
        );
      } finally {
        await ledger.close();
      }
    },
  };
}

async function written(scene: LedgerDirectory, archive: boolean): Promise<File[]> {
  place(scene, []);
  const ledger = await scene.open({ segmentBytes: 2_500 });
  for (let n = 0; n < 12; n++) await ledger.append(issued(n));
  await scene.clock.advance(1_000);
  if (archive) await ledger.archive(scene.clock.now(), undefined);
  await ledger.append(issued(99));
  await ledger.close();
  const names = readdirSync(scene.path).sort();
  return names.map((name) => ({ name, bytes: readFileSync(scene.file(name)) }));
}

function place(scene: LedgerDirectory, files: readonly File[]): void {
  rmSync(scene.path, { recursive: true, force: true });
  mkdirSync(scene.path, { mode: 0o700 });
  for (const { name, bytes } of files) writeFileSync(scene.file(name), bytes, { mode: 0o600 });
}

/** The blanks behind the head's text say nothing. */
const equal = (name: string, one: Buffer, other: Buffer = Buffer.alloc(0)): boolean =>
  name === 'head' ? withoutBlanks(one) === withoutBlanks(other) : one.equals(other);

const withoutBlanks = (bytes: Buffer): string => bytes.toString('latin1').replace(/ +\n$/, '\n');

/** Each `prev` becomes the hash of the line before it. */
function relink(files: readonly File[]): File[] {
  let before = '';
  return files.map(({ name, bytes }) => {
    if (name === 'head') return { name, bytes };
    const text = bytes
      .toString('latin1')
      .split('\n')
      .map((line) => {
        const linked = before === '' ? line : line.replace(/"prev":"[0-9a-f]{64}"/, `"prev":"${before}"`);
        before = linked === '' ? before : hashOf(Buffer.from(linked, 'latin1'));
        return linked;
      });
    return { name, bytes: Buffer.from(text.join('\n'), 'latin1') };
  });
}

/** The checksum lets nothing through that no mayfly wrote; what one of a former format wrote says the same. */
export const journal: Target = {
  seeds: texts(journalText()),
  shape: 'json',
  run: (input) => promise(rewritten(input, {}) === journalText(), 'one content'),
};

function ledgerLines(): string[] {
  const first = recordLine({ kind: 'ledger.segment', segment: 1 }, now, origin, seal);
  const stopped = { kind: 'mayfly.stopped', reason: 'SIGTERM' } as const;
  return [first, recordLine(stopped, now, { seq: 1, hash: hashOf(first) }, seal)];
}

/** As the journal itself writes it. */
function journalText(): string {
  const planned = [{ id: '0'.repeat(32), kind: 'x509', keyType: 'ec-p256', place: 'disk' }] as const;
  return rewritten(undefined, { sequence: 3n, planned });
}

function rewritten(bytes: Buffer | undefined, change: Partial<JournalContent>): string {
  let text = '';
  const write = (written: string): void => {
    text = written;
  };
  Journal.open({ path: 'journal', read: () => bytes, write }, TrustDomain.parse('example.org')).write(change);
  return text;
}
