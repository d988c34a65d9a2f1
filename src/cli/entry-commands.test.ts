import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeAdmin } from '../../test/fakes/admin.ts';
import { mayfly } from '../../test/fakes/command-line.ts';
import { faults } from '../../test/fakes/conforms.ts';
import * as shapes from './shapes.ts';

const directory = mkdtempSync(join(tmpdir(), 'cli-'));
const env = { MAYFLY_ADMIN_SOCKET: join(directory, 'admin.sock') };
let admin: FakeAdmin;

beforeAll(async () => {
  admin = await FakeAdmin.listen(env.MAYFLY_ADMIN_SOCKET);
  const ada = { id: 'ada', name: 'Ada', email: '', enabled: true, createdAt: new Date(), entries: 0 };
  admin.people.set('ada', ada);
});
afterAll(async () => {
  await admin[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const say = (...words: string[]) => mayfly(words, { env });
const web = ['--spiffe-id', 'spiffe://example.org/web', '--selector', 'unix:uid:1000', '--owner', 'ada'];

describe('entry', () => {
  it('is created with everything that the options say', async () => {
    const more = ['--x509-ttl', '1h', '--jwt-ttl', '90', '--audience', 'aws', '--audience', 'bench-*', '--json'];
    const last = ['--dns-name', 'web.example.org', '--hint', 'main', '--federates-with', 'other.org'];
    const end = ['--expires-at', '2030-01-01T00:00:00Z', '--description', 'front'];
    const { out, code } = await say('entry', 'create', ...web, '--selector', 'unix:gid:5', ...more, ...last, ...end);
    expect(code).toBe(0);
    expect(faults(JSON.parse(out), shapes.createdEntries)).toEqual([]);
    expect(JSON.parse(out).entries[0]).toMatchObject({
      spiffeId: 'spiffe://example.org/web',
      selectors: ['unix:uid:1000', 'unix:gid:5'],
      owner: 'ada',
      description: 'front',
      x509SvidTtl: 3600,
      jwtSvidTtl: 90,
      audiences: ['aws', 'bench-*'],
      dnsNames: ['web.example.org'],
      hint: 'main',
      federatesWith: ['other.org'],
      expiresAt: '2030-01-01T00:00:00.000Z',
    });
  });

  it('is shown, counted, listed, changed and deleted', async () => {
    const { out } = await say('entry', 'create', ...web, '--hint', 'h', '--json');
    const { id } = JSON.parse(out).entries[0];
    expect((await say('entry', 'show', id)).out).toContain('audiences        none, so no JWT-SVIDs\n');
    expect(Number((await say('entry', 'count', '--owner', 'ada')).out)).toBe(admin.entries.size);
    expect((await say('entry', 'list')).out).toMatch(/^ID {2}SPIFFE ID {17}OWNER {2}EXPIRES/);
    const updated = await say('entry', 'update', id, '--selector', 'unix:uid:7', '--clear', 'hint', '--json');
    expect(faults(JSON.parse(updated.out), shapes.updatedEntry)).toEqual([]);
    expect(JSON.parse(updated.out).entry).toMatchObject({
      selectors: ['unix:uid:7'],
      hint: '',
      owner: 'ada',
      revision: 2,
    });
    expect((await say('entry', 'delete', id)).out).toBe(`Deleted entry ${id} for spiffe://example.org/web.\n`);
    expect(await say('entry', 'show', id)).toMatchObject({ code: 4 });
  });

  it('that rests on a path alone brings a warning on stderr, or in the document', async () => {
    const path = ['--spiffe-id', 'spiffe://example.org/p', '--selector', 'unix:path:/bin/x', '--owner', 'ada'];
    const told = await say('entry', 'create', ...path);
    expect(told).toMatchObject({
      code: 0,
      err: expect.stringMatching(/^warning: entry e\d+: rests on a path alone\n$/),
    });
    const { out, err } = await say('entry', 'create', ...path, '--json');
    expect({ err, warnings: JSON.parse(out).warnings }).toMatchObject({
      err: '',
      warnings: [{ text: 'rests on a path alone' }],
    });
  });
});

describe('entry create --file', () => {
  const line = (n: number, owner = 'ada') =>
    JSON.stringify({ spiffeId: `spiffe://example.org/w/${n}`, selectors: [`unix:uid:${n}`], owner });
  const write = (name: string, lines: readonly string[]) => {
    writeFileSync(join(directory, name), lines.join('\n'));
    return join(directory, name);
  };
  const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

  it('creates ten thousand entries in one call', async () => {
    const before = admin.entries.size;
    const file = write(
      'many.ndjson',
      numbers(10_000).map((n) => line(n)),
    );
    expect(await say('entry', 'create', '--file', file)).toEqual({
      out: 'Created 10,000 entries.\n',
      err: '',
      code: 0,
    });
    expect(admin.entries.size - before).toBe(10_000);
  });

  it('reads standard input and what entry list --json printed', async () => {
    const listed = (await say('entry', 'list', '--limit', '2', '--json')).out;
    const { out, code } = await mayfly(['entry', 'create', '--file', '-'], { env, input: listed });
    expect({ out, code }).toEqual({ out: 'Created 2 entries.\n', code: 0 });
  });

  it('creates nothing and names file and line where a line is bad', async () => {
    const before = admin.entries.size;
    const file = write('bad.ndjson', [...numbers(700).map((n) => line(n)), '{"spiffeId": 5}']);
    const { err, code } = await say('entry', 'create', '--file', file);
    expect({ code, err }).toEqual({
      code: 2,
      err: `error: ${file}:701: 'spiffeId': must be text\n  Nothing was created. Correct this line, then repeat the command.\n`,
    });
    expect(admin.entries.size).toBe(before);
  });

  it('creates nothing and names file and line where the issuer refuses one', async () => {
    const before = admin.entries.size;
    const file = write('owner.ndjson', ['', ...numbers(1200).map((n) => line(n, n === 1100 ? 'nobody' : 'ada'))]);
    const { err, code } = await say('entry', 'create', '--file', file);
    expect({ code, err }).toMatchObject({
      code: 4,
      err: expect.stringContaining(`${file}:1102: there is no person 'nobody'`),
    });
    expect(admin.entries.size).toBe(before);
  });
});
