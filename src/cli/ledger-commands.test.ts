import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeAdmin } from '../../test/fakes/admin.ts';
import { launcher, mayfly } from '../../test/fakes/command-line.ts';
import { faults } from '../../test/fakes/conforms.ts';
import * as shapes from './shapes.ts';

const directory = mkdtempSync(join(tmpdir(), 'cli-'));
const env = { MAYFLY_ADMIN_SOCKET: join(directory, 'admin.sock') };
let admin: FakeAdmin;

beforeAll(async () => {
  admin = await FakeAdmin.listen(env.MAYFLY_ADMIN_SOCKET);
  for (let seq = 1; seq <= 150; seq++) {
    const json = JSON.stringify({
      seq,
      kind: 'x509-issued',
      spiffeId: 'spiffe://example.org/web',
      serial: `0${seq}`,
      deep: {},
    });
    admin.records.push({ seq, at: new Date(Date.UTC(2026, 10, 23, 12, seq)), kind: 'x509-issued', json });
  }
});
afterAll(async () => {
  await admin[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const say = (...words: string[]) => mayfly(['ledger', ...words], { env });

describe('ledger list and show', () => {
  it('shows the newest hundred, a line each, and says that there are more', async () => {
    const { out, err } = await say('list');
    expect(out.split('\n')[1]).toBe(
      '51   2026-11-23T12:51:00Z  x509-issued  spiffeId=spiffe://example.org/web serial=051',
    );
    expect(err).toBe('warning: only the newest 100 are shown; --limit 0 shows all\n');
  });

  it('gives programs whole records, by filter and by number', async () => {
    const { out, err } = await say('list', '--since', '2026-11-23T14:25:00Z', '--json');
    expect(err).toBe('');
    expect(faults(JSON.parse(out), shapes.records)).toEqual([]);
    expect(JSON.parse(out).records.map(({ seq }: { seq: number }) => seq)).toEqual([145, 146, 147, 148, 149, 150]);
    const shown = await say('show', '7');
    expect(shown.out).toMatch(/^record 7, 2026-11-23T12:07:00Z, x509-issued\n\{\n {2}"seq": 7,/);
    expect(await say('show', '151')).toMatchObject({ code: 4, err: expect.stringContaining('no such record') });
  });

  it('ends without a word when its reader has gone', async () => {
    const words = `'${launcher}' ledger list --limit 0 --json | head -c 10; printf '%s' "\${PIPESTATUS[0]}"`;
    const child = spawn('bash', ['--norc', '-c', words], { env: { ...env, PATH: '/usr/bin:/bin' } });
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    expect(out).toMatch(/^\{\n {2}"recor(0|141)$/);
    expect(err).toBe('');
  });

  it('says that the answer could not be written', () => {
    const { status, stderr } = spawnSync('sh', ['-c', `'${launcher}' version > /dev/full`], { encoding: 'utf8' });
    expect({ status, stderr }).toMatchObject({ status: 1, stderr: expect.stringContaining('could not be written') });
  });
});

describe('ledger verify and archive', () => {
  it('ends with 0 where everything holds, with 10 where a record does not', async () => {
    const good = await say('verify', '--json');
    expect(faults(JSON.parse(good.out), shapes.verification)).toEqual([]);
    expect((await say('verify')).out).toBe(
      '3 records in 1 segment: none changed, removed or reordered. Head: abc123\n',
    );
    admin.verdict = { ...admin.verdict, ok: false, firstBadSeq: 57, problem: 'its hash is another' };
    const { out, err, code } = await say('verify', '--json');
    expect({ code, document: JSON.parse(out) }).toMatchObject({ code: 10, document: { ok: false, firstBadSeq: 57 } });
    expect(JSON.parse(err).error).toMatchObject({ code: 'data-loss', message: expect.stringContaining('record 57') });
    expect(await say('verify')).toMatchObject({ out: '', code: 10 });
  });

  it('archives to a directory that the server understands', async () => {
    const { out } = await mayfly(['ledger', 'archive', '--before', '30d', '--to', 'old'], { env, cwd: directory });
    expect(out).toBe(`Archived 2 segments with 2,000 records, now in ${directory}/old.\n`);
    const days = (Date.now() - (admin.archives[0]?.before?.getTime() ?? 0)) / 86_400_000;
    expect(Math.round(days)).toBe(30);
    const dropped = await say('archive', '--before', '2026-01-01T00:00:00Z', '--json');
    expect(JSON.parse(dropped.out)).toEqual({ segments: 2, records: 2000, directory: null });
  });
});
