import { execFileSync } from 'node:child_process';
import { chmodSync, readdirSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FaultyDisk } from '../../test/fakes/disk.ts';
import { collect, issued, LedgerDirectory } from '../../test/fakes/ledger-directory.ts';
import { verifyLedger } from './ledger.ts';

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('a ledger', () => {
  it('SE-24 gives back what was recorded: when, what, for whom, to which process, on which grounds', async () => {
    using directory = new LedgerDirectory();
    const ledger = await directory.open();
    const { seq, hash } = await ledger.append(issued(1));
    expect(await ledger.get(seq)).toEqual({
      seq,
      at: directory.clock.now(),
      event: issued(1),
      hash,
      json: directory.lines('000001.ndjson')[seq - 1],
    });
    await ledger.close();
  });

  it('goes on where it ended, and keeps its files to itself', async () => {
    using directory = new LedgerDirectory();
    const first = await directory.open();
    const before = await first.append(issued(1));
    await first.close();
    const second = await directory.open({ mustExist: true });
    expect(second.head()).toEqual(before);
    expect((await second.append(issued(2))).seq).toBe(before.seq + 1);
    await second.close();
    expect(await verifyLedger(directory.path, directory.key)).toMatchObject({ ok: true, records: 3, afterHead: 0 });
    for (const name of readdirSync(directory.path)) expect(statSync(directory.file(name)).mode & 0o077).toBe(0);
  });

  it('can be checked with sha256sum alone', async () => {
    using directory = new LedgerDirectory();
    const ledger = await directory.open();
    await ledger.append(issued(1));
    await ledger.close();
    const [first = '', second = ''] = directory.lines('000001.ndjson');
    const sum = execFileSync('sha256sum', { input: first, encoding: 'utf8' }).slice(0, 64);
    expect(JSON.parse(second)).toMatchObject({ prev: sum });
  });

  it('R-AUD-1 writes what waits with one write and one fdatasync, before it answers', async () => {
    using directory = new LedgerDirectory();
    const disk = new FaultyDisk();
    const ledger = await directory.open({ openFile: disk.open });
    await ledger.append(issued(0));
    const before = disk.count('sync', '.ndjson');
    const places = await Promise.all(range(500).map((n) => ledger.append(issued(n))));
    expect(disk.count('sync', '.ndjson') - before).toBe(1);
    expect(places.map(({ seq }) => seq)).toEqual(range(500).map((n) => n + 3));
    expect(directory.lines('000001.ndjson')).toHaveLength(502);
    await ledger.close();
  });

  it('begins a new segment when one is full or old, and makes the full one read-only', async () => {
    using directory = new LedgerDirectory();
    const ledger = await directory.open({ segmentBytes: 4_000, segmentMs: 3_600_000 });
    await Promise.all(range(10).map((n) => ledger.append(issued(n))));
    expect(readdirSync(directory.path).sort()).toEqual(['000001.ndjson', '000002.ndjson', 'head']);
    expect(statSync(directory.file('000001.ndjson')).mode & 0o777).toBe(0o400);
    await directory.clock.advance(3_600_000);
    await ledger.append(issued(10));
    expect(JSON.parse(directory.lines('000003.ndjson')[0] ?? '')).toMatchObject({ kind: 'ledger.segment', segment: 3 });
    await ledger.close();
    expect(await verifyLedger(directory.path, directory.key)).toMatchObject({ ok: true, records: 14, segments: 3 });
  });

  it('R-AUD-1 lets no value forge a line, or reach a terminal as anything but text', async () => {
    using directory = new LedgerDirectory();
    const ledger = await directory.open();
    const payloads = [
      'x"}\n{"seq":1,"at":"2026-11-23T12:00:00.000Z","kind":"mayfly.stopped"',
      '\u001b[2J\u001b]0;owned\u0007',
      '\u009b31m \u0085 \u2028 \u2029 \u202e evil \u2066 \u200b \ufeff \u{e0041}',
      '\ud800 lone',
      '","prev":"0","seal":"0"}',
    ];
    for (const owner of payloads)
      await ledger.append(issued(1, { owner, selectors: [owner], kind: 'x509-svid.issued' }));
    expect(directory.lines('000001.ndjson')).toHaveLength(1 + payloads.length);
    expect(directory.lines('000001.ndjson').join('')).toMatch(/^[\x20-\x7e]*$/);
    for (const owner of payloads) {
      const found = await collect(ledger.query({ owner }));
      expect(found.map(({ event }) => event)).toEqual([issued(1, { owner, selectors: [owner] })]);
    }
    await ledger.close();
    expect((await verifyLedger(directory.path, directory.key)).ok).toBe(true);
  });

  it('keeps names in every script readable', async () => {
    using directory = new LedgerDirectory();
    const ledger = await directory.open();
    await ledger.append({
      kind: 'person.added',
      registryVersion: 1,
      person: 'ada',
      name: 'Ada Bÿrøn 愛 👩‍🔬'.replace('\u200d', ''),
    });
    expect(directory.lines('000001.ndjson')[1]).toContain('Ada Bÿrøn 愛 👩🔬');
    await ledger.close();
  });

  it('refuses a record that is too long, and takes the next', async () => {
    using directory = new LedgerDirectory();
    const ledger = await directory.open();
    await expect(ledger.append(issued(1, { owner: 'x'.repeat(300_000) }))).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    expect((await ledger.append(issued(2))).seq).toBe(2);
    await ledger.close();
    await expect(ledger.append(issued(3))).rejects.toMatchObject({ code: 'unavailable', reason: 'closed' });
    await ledger.close();
  });

  it('refuses more when too much waits for the disk', async () => {
    using directory = new LedgerDirectory();
    const ledger = await directory.open({ waitingBytes: 2_000 });
    const settled = await Promise.allSettled(range(10).map((n) => ledger.append(issued(n))));
    expect(settled.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThan(1);
    expect(settled.at(-1)).toMatchObject({ reason: { code: 'resource-exhausted', reason: 'ledger-slow' } });
    await expect(ledger.append(issued(11))).resolves.toBeDefined();
    await ledger.close();
  });

  it('does not begin in a directory that others can enter, nor anew where one is expected', async () => {
    using directory = new LedgerDirectory();
    await expect(directory.open({ mustExist: true })).rejects.toMatchObject({ code: 'data-loss' });
    chmodSync(directory.path, 0o755);
    await expect(directory.open()).rejects.toMatchObject({ code: 'failed-precondition' });
    await expect(directory.open({ key: Buffer.alloc(31) })).rejects.toBeInstanceOf(TypeError);
  });
});
