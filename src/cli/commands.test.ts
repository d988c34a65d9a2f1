import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeAdmin } from '../../test/fakes/admin.ts';
import { mayfly } from '../../test/fakes/command-line.ts';
import { faults } from '../../test/fakes/conforms.ts';
import * as shapes from './shapes.ts';

const directory = mkdtempSync(join(tmpdir(), 'cli-'));
const socket = join(directory, 'admin.sock');
const env = { MAYFLY_ADMIN_SOCKET: socket };
let admin: FakeAdmin;

beforeAll(async () => {
  admin = await FakeAdmin.listen(socket);
});
afterAll(async () => {
  await admin[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const say = (...words: string[]) => mayfly(words, { env });
async function ask(shape: shapes.Shape, ...words: string[]): Promise<Record<string, never>> {
  const { out, err, code } = await mayfly([...words, '--json'], { env });
  expect({ err, code }).toEqual({ err: '', code: 0 });
  const document = JSON.parse(out);
  expect(faults(document, shape)).toEqual([]);
  return document;
}

describe('person', () => {
  it('goes through its life in sentences and tables', async () => {
    expect((await say('person', 'list')).out).toMatch(/^There is nobody yet. Add a person: mayfly person add/);
    expect(await say('person', 'add', 'ada', '--name', 'Ada Byron', '--email', 'ada@example.org')).toEqual({
      out: 'Added ada.\n',
      err: '',
      code: 0,
    });
    expect((await say('person', 'disable', 'ada')).out).toBe(
      'Disabled ada, who owns 0 entries: nothing is issued for them any more.\n',
    );
    expect((await say('person', 'list')).out).toBe(
      'ID   NAME       EMAIL            STATE     ENTRIES  ADDED\n' +
        'ada  Ada Byron  ada@example.org  disabled  0        2026-11-23T12:00:00Z\n',
    );
    expect((await say('person', 'enable', 'ada')).out).toMatch(/^Enabled ada/);
    expect((await say('person', 'show', 'ada')).out).toMatch(/^id {7}ada\n.*state {4}enabled\n/s);
  });

  it('prints documents of the promised shape', async () => {
    await ask(shapes.person, 'person', 'add', 'grace', '--name', 'Grace Hopper');
    await ask(shapes.people, 'person', 'list');
    await ask(shapes.person, 'person', 'show', 'grace');
    const disabled = await ask(shapes.person, 'person', 'disable', 'grace');
    expect(disabled).toMatchObject({ id: 'grace', email: '', enabled: false, createdAt: '2026-11-23T12:00:00.123Z' });
  });
});

describe('refusals', () => {
  it.each([
    [['person', 'show', 'nobody'], 4, "error: there is no person 'nobody'\n  Check the name; the matching `list`"],
    [['person', 'add', 'ada', '--name', 'A'], 5, "error: there is already a person 'ada'\n  Choose another name"],
    [['person', 'add', 'crash', '--name', 'A'], 1, 'error: internal error, incident 4f1c\n  Look for it in the log'],
    [['explain', '--pid', '1'], 4, 'error: there is no process 1\n'],
  ])('%j ends with %d and says what to do next', async (words, code, text) => {
    const ended = await say(...words);
    expect(ended).toMatchObject({ out: '', code });
    expect(ended.err).toContain(text);
    expect(ended.err).not.toMatch(/\n\s+at /);
  });

  it('are one document on stderr with --json', async () => {
    const { out, err, code } = await say('person', 'show', 'nobody', '--json');
    expect({ out, code }).toEqual({ out: '', code: 4 });
    expect(faults(JSON.parse(err), shapes.failure)).toEqual([]);
    expect(JSON.parse(err).error).toMatchObject({ code: 'not-found', message: "there is no person 'nobody'" });
  });
});

describe('what runs', () => {
  it('is shown by bundle, authority, status and version', async () => {
    const bundle = await ask(shapes.bundle, 'bundle', 'show');
    expect(bundle).toMatchObject({ trustDomain: 'example.org', jwks: { keys: [] }, spiffe: { spiffe_sequence: 7 } });
    expect((await say('bundle', 'show')).out).toMatch(/^-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END/);
    expect((await say('bundle', 'show', '--format', 'spiffe')).out).toBe('{"keys":[],"spiffe_sequence":7}\n');
    await ask(shapes.authorities, 'authority', 'list');
    expect((await say('authority', 'list')).out).toMatch(/^KIND {2}STATE.*\nx509 {2}active {2}ec-p256/s);
    await ask(shapes.status, 'status');
    expect((await say('status')).out).toMatch(/^trust domain {5}example\.org\n/);
    await ask(shapes.version, 'version');
  });
});

describe('explain', () => {
  it('says what is attested, what is owed and what is missing, and forges nothing on the terminal', async () => {
    await say('person', 'add', 'eve', '--name', 'Eve');
    await say('entry', 'create', '--spiffe-id', 'spiffe://example.org/x', '--selector', 'unix:gid:7', '--owner', 'eve');
    const { out } = await say('explain', '--pid', '4711');
    expect(out).toContain('process  4711, uid 1000, gid 1000\nprogram  /opt/\\u{1b}[2Jweb\n');
    expect(out).toContain('Attested selectors:\n  unix:uid:1000\n');
    expect(out).toContain('It is owed nothing: no entry matches.\n');
    expect(out).toMatch(/spiffe:\/\/example\.org\/x {2}\(entry e\d+\): the process lacks unix:gid:7 and 1 more\n/);
    await ask(shapes.explanation, 'explain', '--pid', '4711');
  });
});
