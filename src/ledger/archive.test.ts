import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { collect, issued, LedgerDirectory } from '../../test/fakes/ledger-directory.ts';
import { type Ledger, verifyLedger } from './ledger.ts';

const hourMs = 3_600_000;

/** Four segments of two records each, an hour apart; then the clock stands at four hours. */
async function fourHours(directory: LedgerDirectory): Promise<{ ledger: Ledger; start: number }> {
  const start = directory.clock.now();
  const ledger = await directory.open({ segmentBytes: 1 });
  for (let n = 0; n < 4; n++) {
    await ledger.append(issued(n));
    await directory.clock.advance(hourMs);
  }
  return { ledger, start };
}

const segmentsOf = (directory: LedgerDirectory): string[] =>
  readdirSync(directory.path).filter((name) => name.endsWith('.ndjson'));
const verified = (directory: LedgerDirectory) => verifyLedger(directory.path, directory.key);

describe('archiving', () => {
  it('moves the sealed segments that are older, and the rest still verifies', async () => {
    using directory = new LedgerDirectory();
    const { ledger, start } = await fourHours(directory);
    const [archive, second] = [join(directory.root, 'archive'), readFileSync(directory.file('000002.ndjson'))];
    expect(await ledger.archive(start + 1.5 * hourMs, archive)).toEqual({ segments: 2, records: 4 });
    expect(readdirSync(archive)).toEqual(['000001.ndjson', '000002.ndjson']);
    expect(readFileSync(join(archive, '000002.ndjson')).equals(second)).toBe(true);
    expect(segmentsOf(directory)[0]).toBe('000003.ndjson');
    expect(await verified(directory)).toMatchObject({ ok: true, first: 5 });
    const [record] = await collect(ledger.query({ kind: 'ledger.archived', limit: 1 }));
    expect(record?.event).toMatchObject({ segment: 2, firstSeq: 3, lastSeq: 4, directory: archive });
    await ledger.close();
    const again = await directory.open();
    expect((await again.append(issued(9))).seq).toBe((await verified(directory)).end.seq);
    await again.close();
  });

  it('drops them where no directory is given, and archives what recorded an earlier archiving too', async () => {
    using directory = new LedgerDirectory();
    const { ledger, start } = await fourHours(directory);
    expect(await ledger.archive(start, undefined)).toEqual({ segments: 0, records: 0 });
    expect((await ledger.archive(start + 2.5 * hourMs, undefined)).segments).toBe(3);
    await directory.clock.advance(hourMs);
    await ledger.append(issued(5));
    expect((await ledger.archive(directory.clock.now(), undefined)).segments).toBeGreaterThan(3);
    expect(await verified(directory)).toMatchObject({ ok: true });
    await ledger.close();
    expect((await verified(directory)).ok).toBe(true);
  });

  it('lets go of old records also where no segment was ever full', async () => {
    using directory = new LedgerDirectory();
    const ledger = await directory.open();
    await ledger.append(issued(1));
    await directory.clock.advance(hourMs);
    expect(await ledger.archive(directory.clock.now(), undefined)).toEqual({ segments: 1, records: 2 });
    expect(segmentsOf(directory)).toEqual(['000002.ndjson']);
    await ledger.close();
    expect(await verified(directory)).toMatchObject({ ok: true, first: 3 });
  });

  it('lets verify name a record of archiving that was edited, without the key too, and not stumble over it', async () => {
    using directory = new LedgerDirectory();
    const { ledger, start } = await fourHours(directory);
    await ledger.archive(start + 0.5 * hourMs, undefined);
    await ledger.close();
    const name = segmentsOf(directory).find((file) => directory.lines(file).some((line) => line.includes('archived')));
    const file = directory.file(name ?? '');
    for (const [from, to] of [
      ['"kind":"ledger.archived"', '"kind":"ledger.archived"x'],
      ['"segment":1', '"segment":"1"'],
      ['"lastHash":"', '"lastHush":"'],
    ] as const) {
      const [whole, edited] = [readFileSync(file, 'latin1'), readFileSync(file, 'latin1').replace(from, to)];
      expect(edited).not.toBe(whole);
      writeFileSync(file, edited);
      const reports = [await verified(directory), await verifyLedger(directory.path, undefined)];
      for (const { ok, problem } of reports)
        expect([ok, problem?.message]).toEqual([false, expect.stringMatching(/./)]);
      writeFileSync(file, whole);
    }
  });

  it('lets verify name what is missing beyond what was archived', async () => {
    using directory = new LedgerDirectory();
    const { ledger, start } = await fourHours(directory);
    await ledger.archive(start + 0.5 * hourMs, undefined);
    await ledger.close();
    const third = readFileSync(directory.file('000003.ndjson'));
    rmSync(directory.file('000003.ndjson'));
    expect((await verified(directory)).problem).toMatchObject({ seq: 5, message: expect.stringContaining('000003') });
    writeFileSync(directory.file('000003.ndjson'), third);
    rmSync(directory.file('000002.ndjson'));
    expect((await verified(directory)).problem).toMatchObject({
      seq: 3,
      message: expect.stringContaining('never archived'),
    });
  });

  it('names a record that was removed from the beginning of the oldest segment left', async () => {
    using directory = new LedgerDirectory();
    const { ledger, start } = await fourHours(directory);
    await ledger.archive(start + 0.5 * hourMs, undefined);
    await ledger.close();
    const lines = directory.lines('000002.ndjson');
    rmSync(directory.file('000002.ndjson'));
    writeFileSync(directory.file('000002.ndjson'), `${lines.slice(1).join('\n')}\n`);
    expect((await verified(directory)).problem).toMatchObject({ seq: 3 });
  });

  it('does not let a segment go that is not what was written', async () => {
    using directory = new LedgerDirectory();
    const { ledger, start } = await fourHours(directory);
    const path = directory.file('000001.ndjson');
    const edited = readFileSync(path, 'utf8').replace('"uid":1000', '"uid":0');
    rmSync(path);
    writeFileSync(path, edited);
    const before = ledger.head();
    await expect(ledger.archive(start + hourMs, undefined)).rejects.toMatchObject({
      code: 'data-loss',
      message: expect.stringContaining('record 2 was changed'),
    });
    expect(ledger.head()).toEqual(before);
    expect(existsSync(path)).toBe(true);
    await ledger.close();
  });

  it('leaves the segment of another ledger alone, and finishes what a crash interrupted', async () => {
    using directory = new LedgerDirectory();
    const { ledger, start } = await fourHours(directory);
    const archive = join(directory.root, 'archive');
    mkdirSync(archive);
    writeFileSync(join(archive, '000001.ndjson'), "another ledger's");
    await expect(ledger.archive(start + 1, archive)).rejects.toMatchObject({ code: 'already-exists' });
    expect((await verified(directory)).ok).toBe(true);
    writeFileSync(join(archive, '000001.ndjson'), readFileSync(directory.file('000001.ndjson')));
    expect((await ledger.archive(start + 1, archive)).segments).toBe(1);
    await expect(ledger.archive(start, join(directory.path, 'x'))).rejects.toMatchObject({ code: 'invalid-argument' });
    await ledger.close();
    expect(await verified(directory)).toMatchObject({ ok: true, first: 3 });
  });
});
