import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FaultyDisk } from '../../test/fakes/disk.ts';
import { collect, issued, LedgerDirectory } from '../../test/fakes/ledger-directory.ts';
import { type Ledger, verifyLedger } from './ledger.ts';

/** Appends without end, and says each record's number and hash once it is acknowledged. */
const appendForever = `
import { writeSync } from 'node:fs';
const [directory, ledgerModule, clockModule] = process.argv.slice(1);
const { openLedger } = await import(ledgerModule);
const { systemClock } = await import(clockModule);
const ledger = await openLedger({ directory, key: Buffer.alloc(32, 7), clock: systemClock, segmentBytes: 50_000 });
for (let n = 0; ; n++) {
  const wave = Array.from({ length: 1 + (n % 7) }, (_, i) =>
    ledger.append({ kind: 'instance.ended', instance: 'i'.repeat(n % 50), pid: i, reason: 'exited' })
      .then(({ seq, hash }) => writeSync(1, seq + ' ' + hash + '\\n')));
  await Promise.all(wave);
}`;

async function appendUntilKilled(directory: string, afterMs: number): Promise<[seq: number, hash: string][]> {
  const modules = ['./ledger.ts', '../runtime/clock.ts'].map((path) => new URL(path, import.meta.url).href);
  const child = spawn(process.execPath, ['--input-type=module', '-e', appendForever, directory, ...modules]);
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (said === '') setTimeout(() => child.kill('SIGKILL'), afterMs);
    said += text;
  });
  await once(child, 'close');
  const whole = said.slice(0, said.lastIndexOf('\n')).split('\n');
  return whole.map((line) => [Number(line.split(' ')[0]), line.split(' ')[1] ?? '']);
}

/** A process that ends without closing the ledger leaves the files as they are now. */
async function abandoned(directory: LedgerDirectory, records: number): Promise<void> {
  const ledger = await directory.open();
  await Promise.all(Array.from({ length: records }, (_, n) => ledger.append(issued(n))));
  const head = await headAt(directory, ledger.head().seq);
  await ledger.close();
  writeFileSync(directory.file('head'), head);
}

/** The head follows its records within a moment. */
async function headAt(directory: LedgerDirectory, seq: number): Promise<string> {
  for (;;) {
    const head = readFileSync(directory.file('head'), 'utf8');
    if (head.startsWith(`{"seq":${seq},`)) return head;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const kinds = async (ledger: Ledger): Promise<string[]> =>
  (await collect(ledger.query({}))).map(({ event }) => event.kind);

describe('a ledger whose process was killed', () => {
  it('R-AUD-1 has every record that was acknowledged, each once, after each of several kills', async () => {
    using directory = new LedgerDirectory();
    const acknowledged: [number, string][] = [];
    for (const afterMs of [0, 15, 40, 90]) acknowledged.push(...(await appendUntilKilled(directory.path, afterMs)));
    expect(acknowledged.length).toBeGreaterThan(50);
    const ledger = await directory.open({ mustExist: true });
    const hashes = new Map((await collect(ledger.query({}))).map(({ seq, hash }) => [seq, hash]));
    for (const [seq, hash] of acknowledged) expect(hashes.get(seq)).toBe(hash);
    await ledger.close();
    expect(await verifyLedger(directory.path, directory.key)).toMatchObject({ ok: true, records: hashes.size });
  });

  it('cuts a line that was never finished, and says so', async () => {
    using directory = new LedgerDirectory();
    await abandoned(directory, 3);
    appendFileSync(directory.file('000001.ndjson'), '{"seq":5,"at":"2026-11-');
    expect((await verifyLedger(directory.path, directory.key)).ok).toBe(true);
    const ledger = await directory.open();
    expect((await ledger.get(5))?.event).toEqual({ kind: 'ledger.recovered', headSeq: 4, adopted: 0, cutBytes: 23 });
    await ledger.close();
    expect(await verifyLedger(directory.path, directory.key)).toMatchObject({ ok: true, records: 5 });
  });

  it('keeps whole records that the head had not reached, writing them to the disk once more', async () => {
    using directory = new LedgerDirectory();
    await abandoned(directory, 1);
    const head = readFileSync(directory.file('head'));
    const between = await directory.open();
    for (let n = 0; n < 4; n++) await between.append(issued(n));
    await between.close();
    writeFileSync(directory.file('head'), head);
    const disk = new FaultyDisk();
    const ledger = await directory.open({ openFile: disk.open });
    expect(disk.calls.find(({ operation }) => operation === 'write')?.bytes).toBeGreaterThan(4 * 400);
    expect((await ledger.get(7))?.event).toMatchObject({ kind: 'ledger.recovered', headSeq: 2, adopted: 4 });
    await ledger.close();
    expect(await verifyLedger(directory.path, directory.key)).toMatchObject({ ok: true, records: 7 });
  });

  it('cuts what a power cut scrambled after the head, and keeps it beside the segment', async () => {
    using directory = new LedgerDirectory();
    await abandoned(directory, 3);
    const scrambled = `${'\0'.repeat(700)}\n{"seq":6}\n`;
    appendFileSync(directory.file('000001.ndjson'), scrambled);
    const ledger = await directory.open();
    const keptAs = '000001.ndjson.cut-5';
    expect((await ledger.get(5))?.event).toMatchObject({ cutBytes: scrambled.length, keptAs });
    expect(readFileSync(directory.file(keptAs), 'latin1')).toBe(scrambled);
    await ledger.close();
  });

  it('removes a segment that was only about to begin', async () => {
    for (const content of ['', '{"seq":5,"at":']) {
      using directory = new LedgerDirectory();
      await abandoned(directory, 3);
      writeFileSync(directory.file('000002.ndjson'), content);
      const ledger = await directory.open();
      await ledger.append(issued(9));
      expect((await kinds(ledger)).at(-1)).toBe('x509-svid.issued');
      expect(readdirSync(directory.path).filter((name) => name.endsWith('.ndjson'))).toEqual(['000001.ndjson']);
      await ledger.close();
      expect((await verifyLedger(directory.path, directory.key)).ok).toBe(true);
    }
  });

  it('begins anew where the very first segment was only about to begin', async () => {
    using directory = new LedgerDirectory();
    await (await directory.open()).close();
    using other = new LedgerDirectory();
    await abandoned(other, 0);
    writeFileSync(other.file('000001.ndjson'), '{"seq":1,');
    const ledger = await other.open();
    expect((await ledger.append(issued(1))).seq).toBe(3);
    expect(await kinds(ledger)).toEqual(['ledger.segment', 'ledger.recovered', 'x509-svid.issued']);
    await ledger.close();
  });
});

describe('a ledger that is not what was written', () => {
  const damage: [string, (directory: LedgerDirectory) => void, RegExp][] = [
    [
      'one that was cut short',
      (d) => truncateSync(d.file('000001.ndjson'), statSync(d.file('000001.ndjson')).size - 9),
      /000001\.ndjson: record 4 is not whole/,
    ],
    [
      'one without its last record',
      (d) => writeFileSync(d.file('000001.ndjson'), `${d.lines('000001.ndjson').slice(0, 3).join('\n')}\n`),
      /records 4 to 4 were cut off/,
    ],
    [
      'an edited record',
      (d) =>
        writeFileSync(
          d.file('000001.ndjson'),
          readFileSync(d.file('000001.ndjson'), 'utf8').replace('"uid":1000', '"uid":1001'),
        ),
      /record 2 was changed/,
    ],
    [
      'an edited first record',
      (d) =>
        writeFileSync(
          d.file('000001.ndjson'),
          readFileSync(d.file('000001.ndjson'), 'utf8').replace('segment":1', 'segment":2'),
        ),
      /first record of 000001\.ndjson was changed/,
    ],
    ['a missing head', (d) => rmSync(d.file('head')), /`head` is missing/],
    [
      'an edited head',
      (d) => writeFileSync(d.file('head'), readFileSync(d.file('head'), 'utf8').replace('"seq":4', '"seq":3')),
      /head was changed/,
    ],
    ['missing segments', (d) => rmSync(d.file('000001.ndjson')), /records 1 to 4 were cut off/],
    ['a record that somebody added', (d) => appendFileSync(d.file('000001.ndjson'), '{"seq":5}\n'), /old copy/],
  ];
  for (const [what, spoil, message] of damage) {
    it(`is refused, and left as it is: ${what}`, async () => {
      using directory = new LedgerDirectory();
      const ledger = await directory.open();
      for (let n = 0; n < 3; n++) await ledger.append(issued(n));
      await ledger.close();
      spoil(directory);
      const before = readdirSync(directory.path).map((name) => readFileSync(directory.file(name), 'latin1'));
      await expect(directory.open()).rejects.toMatchObject({
        code: 'data-loss',
        message: expect.stringMatching(message),
      });
      expect(readdirSync(directory.path).map((name) => readFileSync(directory.file(name), 'latin1'))).toEqual(before);
    });
  }

  it('is refused with another key', async () => {
    using directory = new LedgerDirectory();
    await abandoned(directory, 3);
    await expect(directory.open({ key: Buffer.alloc(32, 8) })).rejects.toMatchObject({ code: 'data-loss' });
  });

  it('is refused with a segment missing in between', async () => {
    using directory = new LedgerDirectory();
    const ledger = await directory.open({ segmentBytes: 1 });
    for (let n = 0; n < 4; n++) await ledger.append(issued(n));
    await ledger.close();
    rmSync(directory.file('000002.ndjson'));
    await expect(directory.open()).rejects.toMatchObject({
      code: 'data-loss',
      message: expect.stringContaining('000002'),
    });
  });
});
