import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { issued, LedgerDirectory } from '../../test/fakes/ledger-directory.ts';
import { verifyLedger } from './ledger.ts';

/** Repeatable, so that a failure can be looked at. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const directory = new LedgerDirectory('memory');
/** The ledger as it was written: each segment's lines, and the number of each one's first record. */
const segments: { name: string; lines: string[]; first: number }[] = [];
let head: Buffer;
let last: number;

beforeAll(async () => {
  const ledger = await directory.open({ segmentBytes: 2_500 });
  for (let n = 0; n < 18; n++) await ledger.append(issued(n));
  last = ledger.head().seq;
  await ledger.close();
  head = readFileSync(directory.file('head'));
  for (const name of readdirSync(directory.path)
    .filter((file) => file !== 'head')
    .sort()) {
    const first = (segments.at(-1)?.first ?? 1) + (segments.at(-1)?.lines.length ?? 0);
    segments.push({ name, lines: directory.lines(name), first });
  }
});
afterAll(() => directory[Symbol.dispose]());

interface Tampering {
  readonly what: string;
  /** The first record that is not what or where it was. */
  readonly seq: number;
  /** New contents; undefined: removed. */
  readonly files: Readonly<Record<string, Buffer | undefined>>;
}
type Random = (below: number) => number;

const content = (lines: readonly string[]): Buffer => Buffer.from(lines.map((line) => `${line}\n`).join(''));
const pick = <T>(values: readonly T[], random: Random): T => values[random(values.length)] as T;

/** Which record of the segment the byte belongs to; a newline belongs to the record that it ends. */
function recordAt({ lines, first }: (typeof segments)[number], offset: number): number {
  return first + content(lines).subarray(0, offset).toString('latin1').split('\n').length - 1;
}

const ways: ((random: Random) => Tampering)[] = [
  function flipBit(random) {
    const segment = pick(segments, random);
    const bytes = content(segment.lines);
    const offset = random(bytes.length);
    bytes[offset] = (bytes[offset] as number) ^ (1 << random(8));
    return {
      what: `bit of byte ${offset} of ${segment.name}`,
      seq: recordAt(segment, offset),
      files: { [segment.name]: bytes },
    };
  },
  function editText(random) {
    const segment = pick(segments, random);
    const bytes = content(segment.lines);
    const offset = random(bytes.length - 8);
    const length = 1 + random(8);
    const before = Buffer.from(bytes);
    for (let i = 0; i < length; i++) bytes[offset + i] = 32 + random(95);
    const changed = bytes.findIndex((byte, i) => byte !== before[i]);
    if (changed < 0) return flipHead(random);
    return {
      what: `text at ${changed} of ${segment.name}`,
      seq: recordAt(segment, changed),
      files: { [segment.name]: bytes },
    };
  },
  function insertText(random) {
    const segment = pick(segments, random);
    const bytes = content(segment.lines);
    const offset = random(bytes.length);
    const inserted = Buffer.from([0x21 + random(94)]);
    const files = { [segment.name]: Buffer.concat([bytes.subarray(0, offset), inserted, bytes.subarray(offset)]) };
    return { what: `byte inserted at ${offset} of ${segment.name}`, seq: recordAt(segment, offset), files };
  },
  function removeRecord(random) {
    const { name, lines, first } = pick(segments, random);
    const index = random(lines.length);
    return {
      what: `record ${first + index} removed`,
      seq: first + index,
      files: { [name]: content(lines.toSpliced(index, 1)) },
    };
  },
  function repeatRecord(random) {
    const { name, lines, first } = pick(segments, random);
    const from = random(lines.length);
    const to = from + 1 + random(lines.length - from);
    const files = { [name]: content(lines.toSpliced(to, 0, lines[from] as string)) };
    return { what: `record ${first + from} again at ${first + to}`, seq: first + to, files };
  },
  function swapRecords(random) {
    const all = segments.flatMap(({ name, lines, first }) => lines.map((line, i) => ({ name, line, seq: first + i })));
    const a = random(all.length - 1);
    const b = a + 1 + random(all.length - a - 1);
    const line = (seq: number, own: string): string =>
      seq === a + 1 ? (all[b]?.line ?? own) : seq === b + 1 ? (all[a]?.line ?? own) : own;
    const files = Object.fromEntries(
      segments.map(({ name, lines, first }) => [name, content(lines.map((own, i) => line(first + i, own)))]),
    );
    return { what: `records ${a + 1} and ${b + 1} swapped`, seq: a + 1, files };
  },
  function truncate(random) {
    const segment = pick(segments, random);
    const bytes = content(segment.lines);
    const length = random(bytes.length);
    return {
      what: `${segment.name} cut at ${length}`,
      seq: recordAt(segment, length),
      files: { [segment.name]: bytes.subarray(0, length) },
    };
  },
  function cutTheEnd(random) {
    const count = 1 + random(last - 1);
    const files = Object.fromEntries(
      segments.map(({ name, lines, first }) => {
        const left = lines.slice(0, Math.max(last - count + 1 - first, 0));
        return [name, left.length === 0 ? undefined : content(left)];
      }),
    );
    return { what: `the last ${count} records cut off`, seq: last - count + 1, files };
  },
  function removeSegment(random) {
    const { name, first } = pick(segments, random);
    return { what: `${name} removed`, seq: first === 1 ? 1 : first, files: { [name]: undefined } };
  },
  function rewriteChain(random) {
    const changed = 2 + random(last - 2);
    let prev = '';
    const files = Object.fromEntries(
      segments.map(({ name, lines, first }) => {
        const rewritten = lines.map((line, i) => {
          const seq = first + i;
          if (seq > changed) line = line.replace(/"prev":"[0-9a-f]{64}"/, `"prev":"${prev}"`);
          if (seq === changed) line = line.replace(/"(pid|segment)":\d/, (member) => `${member}7`);
          prev = createHash('sha256').update(line).digest('hex');
          return line;
        });
        return [name, content(rewritten)];
      }),
    );
    return { what: `record ${changed} changed and the chain after it recomputed`, seq: changed, files };
  },
  function forge(random) {
    const { name, lines } = segments.at(-1) as (typeof segments)[number];
    const copied = pick(lines, random);
    const prev = createHash('sha256')
      .update(lines.at(-1) ?? '')
      .digest('hex');
    const forged = copied
      .replace(/^\{"seq":\d+/, `{"seq":${last + 1}`)
      .replace(/"prev":"[0-9a-f]{64}"/, `"prev":"${prev}"`);
    return { what: 'a forged record added', seq: last + 1, files: { [name]: content([...lines, forged]) } };
  },
  flipHead,
];

function flipHead(random: Random): Tampering {
  const bytes = Buffer.from(head);
  const offset = random(bytes.length);
  bytes[offset] = (bytes[offset] as number) ^ (1 << random(8));
  return { what: `bit of byte ${offset} of the head`, seq: last + 1, files: { head: bytes } };
}

function put(files: Tampering['files']): void {
  for (const [name, bytes] of Object.entries(files)) {
    rmSync(directory.file(name), { force: true });
    if (bytes !== undefined) writeFileSync(directory.file(name), bytes, { mode: 0o600 });
  }
}

const putBack = (): void =>
  put({ head, ...Object.fromEntries(segments.map(({ name, lines }) => [name, content(lines)])) });

async function named({ files }: Tampering, key: Buffer | undefined): Promise<number | undefined> {
  put(files);
  try {
    return (await verifyLedger(directory.path, key)).problem?.seq;
  } finally {
    putBack();
  }
}

/** More by `LEDGER_TRIALS=10000 vitest run src/ledger/tamper`. */
const trials = Number(process.env['LEDGER_TRIALS'] ?? 1_200);

describe('verifyLedger', () => {
  it('finds nothing wrong with what was written', async () => {
    expect(segments.length).toBeGreaterThan(3);
    expect(await verifyLedger(directory.path, directory.key)).toMatchObject({ ok: true, records: last });
  });

  it(`R-AUD-1 names the first record that was touched, in each of ${trials} tamperings of every sort`, async () => {
    const random = seeded(trials);
    const wrong: string[] = [];
    for (let trial = 0; trial < trials; trial++) {
      const way = ways[trial % ways.length] as (typeof ways)[number];
      const tampering = way(random);
      const seq = await named(tampering, directory.key);
      if (seq !== tampering.seq) wrong.push(`${tampering.what}: record ${tampering.seq}, but ${seq} was named`);
    }
    expect(wrong).toEqual([]);
  }, 60_000);

  it('finds edits without the key too, and says that it only followed the links', async () => {
    const random = seeded(1);
    const linked = ways.filter(({ name }) => !['rewriteChain', 'flipHead', 'editText'].includes(name));
    for (let trial = 0; trial < 100; trial++) {
      const tampering = (linked[trial % linked.length] as (typeof ways)[number])(random);
      const seq = await named(tampering, undefined);
      // An edited link and an edited record before it look the same without the key.
      expect([tampering.seq, tampering.seq - 1], tampering.what).toContain(seq);
    }
    expect(await verifyLedger(directory.path, undefined)).toMatchObject({ ok: true, sealed: false });
  });

  it('opens, or refuses with data-loss, whatever the files hold, and never overwrites what the head seals', async () => {
    const random = seeded(7);
    for (let trial = 0; trial < 150; trial++) {
      const { files, what } = (ways[trial % ways.length] as (typeof ways)[number])(random);
      put(files);
      const outcome = await directory.open().then(
        (ledger) => ledger.close().then(() => 'opened'),
        (error) => error.code,
      );
      expect(['opened', 'data-loss'], what).toContain(outcome);
      if (outcome === 'opened') expect((await verifyLedger(directory.path, directory.key)).ok, what).toBe(false);
      putBack();
    }
  });

  it('notices an older head, and a record from another past', async () => {
    using restored = new LedgerDirectory();
    const ledger = await restored.open();
    await ledger.append(issued(1));
    await ledger.close();
    const [oldHead, old] = [readFileSync(restored.file('head')), readFileSync(restored.file('000001.ndjson'))];
    const again = await restored.open();
    for (const n of [2, 3]) await again.append(issued(n));
    await again.close();
    const [newHead, lines] = [readFileSync(restored.file('head')), restored.lines('000001.ndjson')];
    writeFileSync(restored.file('head'), oldHead);
    expect((await verifyLedger(restored.path, restored.key)).problem).toMatchObject({ seq: 3 });
    writeFileSync(restored.file('000001.ndjson'), old);
    const third = await restored.open();
    for (const n of [5, 6]) await third.append(issued(n));
    await third.close();
    expect((await verifyLedger(restored.path, restored.key)).ok).toBe(true);
    const mixed = [...restored.lines('000001.ndjson').slice(0, 3), lines[3] as string];
    writeFileSync(restored.file('000001.ndjson'), content(mixed));
    writeFileSync(restored.file('head'), newHead);
    expect((await verifyLedger(restored.path, restored.key)).problem).toMatchObject({ seq: 3 });
  });
});
