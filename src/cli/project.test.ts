/** `mayfly token` and `mayfly project` as real processes, against a Workload API that does as it is told. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakeCa, svidMessage, x509Answer } from '../../test/fakes/ca.ts';
import { launcher, mayfly } from '../../test/fakes/command-line.ts';
import { faults } from '../../test/fakes/conforms.ts';
import { eventually } from '../../test/fakes/eventually.ts';
import { FakeJwtAuthority } from '../../test/fakes/jwt-authority.ts';
import { FakeWorkloadApi, Status } from '../../test/fakes/workload-api.ts';
import * as shapes from './shapes.ts';

const web = 'spiffe://example.org/web';
const [authority, ca] = [new FakeJwtAuthority(), new FakeCa('example.org')];
let api: FakeWorkloadApi;
let directory: string;
let running: ChildProcess[] = [];

beforeAll(async () => {
  api = await FakeWorkloadApi.start();
});
afterAll(() => api[Symbol.asyncDispose]());
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'project-'));
  api.jwtSvids = ({ audience }) => ({ svids: [authority.svid(web, audience, Date.now())] });
  api.x509Svids.send(x509Answer([svidMessage(ca.issue('/web'), [ca.certificate])], {}));
});
afterEach(async () => {
  for (const child of running.splice(0)) {
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
  }
  rmSync(directory, { recursive: true, force: true });
});

const env = () => ({ SPIFFE_ENDPOINT_SOCKET: api.address, XDG_RUNTIME_DIR: join(directory, 'runtime') });
const say = (...words: string[]) => mayfly(words, { env: env(), cwd: directory });
const read = (name: string): string => readFileSync(join(directory, name), 'utf8');
const written = (name: string): string | undefined => {
  try {
    return read(name);
  } catch {
    return undefined;
  }
};
const audienceOf = (token: string): unknown =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).aud;

/** A projector that goes on until the test is over. */
async function keep(yaml: string): Promise<ChildProcess & { log: string }> {
  writeFileSync(join(directory, 'p.yaml'), yaml);
  const child = spawn(launcher, ['project', 'p.yaml'], { env: { PATH: '/usr/bin:/bin', ...env() }, cwd: directory });
  const kept = Object.assign(child, { log: '' });
  child.stderr.setEncoding('utf8').on('data', (said: string) => {
    kept.log += said;
  });
  running.push(child);
  return kept;
}

async function statusOf(): Promise<{
  code: number | null;
  err: string;
  files: { state: string; problem: string | null; expiresAt: string }[];
}> {
  const { out, err, code } = await say('project', 'status', 'p.yaml', '--json');
  const document = JSON.parse(out === '' ? '{}' : out);
  if (out !== '') expect(faults(document, shapes.projection)).toEqual([]);
  return { code, err, files: document.files ?? [] };
}

describe('mayfly token', () => {
  it('prints the bare token, or writes it without a line feed for its user alone', async () => {
    expect((await say('token', '--audience', 'vault')).out).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    const { out, code } = await say('token', '--audience', 'vault', '--out', 'v.token');
    expect({ out, code }).toEqual({
      out: expect.stringContaining(`Wrote ${directory}/v.token: a token of ${web} for vault`),
      code: 0,
    });
    expect(audienceOf(read('v.token'))).toEqual(['vault']);
    expect(read('v.token')).not.toContain('\n');
    expect(statSync(join(directory, 'v.token')).mode & 0o777).toBe(0o600);
  });

  it('says where it cannot write, and leaves what was there', async () => {
    writeFileSync(join(directory, 'file'), 'old');
    const { err, code, out } = await say('token', '--audience', 'vault', '--out', 'file/v.token', '--json');
    expect({ out, code }).toEqual({ out: '', code: 6 });
    expect(JSON.parse(err).error.message).toContain('a part of the path is not a directory');
    expect(read('file')).toBe('old');
  });

  it('keeps the token out of the document where it went into a file', async () => {
    const { out } = await say('token', '--audience', 'vault', '--out', 'v.token', '--json');
    expect(faults(JSON.parse(out), shapes.token)).toEqual([]);
    expect(out).not.toContain(read('v.token'));
  });
});

describe('mayfly project', () => {
  it('keeps tokens and certificates, tells of them, and ends when asked', async () => {
    const child = await keep(`tokens: [{ audience: vault, file: v.token }]
certificates: [{ certificate: tls.crt, key: tls.key, bundle: ca.crt }]
`);
    await eventually('both are there', () => written('v.token') && written('tls.crt'));
    const verified = spawnSync('openssl', ['verify', '-CAfile', 'ca.crt', 'tls.crt'], {
      cwd: directory,
      encoding: 'utf8',
    });
    expect(verified.stdout).toBe('tls.crt: OK\n');
    const { code, files } = await statusOf();
    expect({ code, states: files.map(({ state }) => state) }).toEqual({ code: 0, states: ['fresh', 'fresh'] });
    const { out } = await say('project', 'status', 'p.yaml');
    expect(out).toMatch(/^CONTENT +STATE +EXPIRES +FILES +PROBLEM\nvault +fresh +20.*v\.token\nx509 +fresh/);
    const before = read('tls.crt');
    api.x509Svids.send(x509Answer([svidMessage(ca.issue('/web'), [ca.certificate])], {}));
    await eventually('the new certificate is there', () => written('tls.crt') !== before);
    expect(child.log).not.toContain(read('v.token'));
    expect(child.log).not.toContain('PRIVATE');
    child.kill('SIGTERM');
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
    running = [];
    expect(written('v.token')).toBeDefined();
  });

  it('has one for each file: a second one is refused, and status without one says so', async () => {
    expect(await say('project', 'status', 'none.yaml')).toMatchObject({
      code: 4,
      err: expect.stringContaining('cannot read none.yaml'),
    });
    await keep('tokens: [{ audience: vault, file: v.token }]');
    await eventually('it is there', () => written('v.token'));
    const second = await say('project', 'p.yaml');
    expect(second).toMatchObject({ code: 5, err: expect.stringContaining('another process keeps these files') });
    writeFileSync(join(directory, 'q.yaml'), 'tokens: [{ audience: vault, file: w.token }]');
    const { code, err } = await say('project', 'status', 'q.yaml');
    expect({ code, err }).toEqual({ code: 8, err: expect.stringContaining('nothing keeps these files') });
  });

  it('names file and line of what is wrong', async () => {
    writeFileSync(join(directory, 'p.yaml'), 'tokens:\n  - audience: a\n    fil: b\n');
    for (const words of [
      ['project', 'p.yaml'],
      ['project', 'status', 'p.yaml'],
    ]) {
      const { code, err } = await say(...words);
      expect({ code, err }).toMatchObject({
        code: 2,
        err: expect.stringMatching(/^error: p\.yaml:[23]: tokens\.0\.fil/),
      });
    }
  });

  it('once writes everything and ends, also where it has to wait for an entry', async () => {
    api.jwtSvids = () => new Status(7, 'no identity issued');
    writeFileSync(join(directory, 'p.yaml'), 'tokens: [{ audience: vault, file: v.token }]');
    const ending = say('project', '--once', 'p.yaml');
    await eventually('it has been refused', () => api.calls.some(({ method }) => method === 'FetchJWTSVID'));
    api.jwtSvids = ({ audience }) => ({ svids: [authority.svid(web, audience, Date.now())] });
    expect((await ending).code).toBe(0);
    expect(audienceOf(read('v.token'))).toEqual(['vault']);
  });

  it('reads its file again at SIGHUP; a faulty one changes nothing', async () => {
    const child = await keep('tokens: [{ audience: vault, file: v.token }]');
    await eventually('it is there', () => written('v.token'));
    writeFileSync(join(directory, 'p.yaml'), 'tokens: [{ audience: vault, fil: w.token }]');
    child.kill('SIGHUP');
    await eventually('the fault is told', () => child.log.includes('the file is not taken'));
    writeFileSync(join(directory, 'p.yaml'), 'tokens: [{ audience: vault, file: w.token }]');
    child.kill('SIGHUP');
    await eventually('it is there', () => written('w.token'));
    expect((await statusOf()).files).toMatchObject([{ files: [join(directory, 'w.token')], state: 'fresh' }]);
  });

  it('has metrics where the file says so', async () => {
    const port = 20_000 + (process.pid % 20_000);
    await keep(
      `metrics: 127.0.0.1:${port}\ntokens: [{ audience: vault, file: v.token }, { audience: lost, file: none/l.token }]`,
    );
    await eventually('it is there', () => written('v.token'));
    const metrics = await new Promise<string>((resolve, reject) => {
      http
        .get({ host: '127.0.0.1', port, path: '/metrics' }, (response) => resolve(text(response)))
        .on('error', reject);
    });
    expect(metrics).toContain(`mayfly_projected_file_ok{content="vault",file="${directory}/v.token"} 1`);
    expect(metrics).toContain(`mayfly_projected_file_ok{content="lost",file="${directory}/none/l.token"} 0`);
    expect(metrics).toMatch(/mayfly_projected_file_failures_total\{content="lost".*\} [1-9]/);
    expect(metrics).toMatch(/mayfly_projected_file_expires_seconds\{content="vault".*\} 1\d{9}/);
  });
});

/** Real file systems, where that is allowed. */
const canMount = spawnSync('unshare', ['--mount', 'true']).status === 0;

describe.skipIf(!canMount)('bad input: a file system that', () => {
  const mount = (...words: string[]): void => {
    expect(spawnSync('mount', words, { encoding: 'utf8' })).toMatchObject({ status: 0 });
  };
  let place: string;
  beforeEach(() => {
    place = join(directory, 'disk');
    mkdirSync(place);
    mount('-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', place);
  });
  afterEach(() => void spawnSync('umount', ['-l', place]));

  /** Tokens that live for a few seconds only, so that there soon is another. */
  const shortLived = () => {
    api.jwtSvids = ({ audience }) => ({ svids: [authority.svid(web, audience, Date.now(), 4)] });
  };

  it('fills up leaves the last good file, says so in status, and goes on once there is space', {
    timeout: 60_000,
  }, async () => {
    shortLived();
    await keep('tokens: [{ audience: vault, file: disk/v.token }]');
    await eventually('it is there', () => written('disk/v.token'));
    spawnSync('dd', ['if=/dev/zero', `of=${place}/filler`, 'bs=1k', 'count=128']);
    await eventually('it fails', failed);
    const last = read('disk/v.token');
    const { code, files } = await statusOf();
    expect(code).toBe(6);
    expect(files[0]).toMatchObject({ problem: expect.stringContaining('the disk is full: free space') });
    expect(read('disk/v.token')).toBe(last);
    expect(readdirSync(place).sort()).toEqual(['filler', 'v.token']);
    rmSync(join(place, 'filler'));
    await eventually('it is new', () => written('disk/v.token') !== last);
  });

  it('turns read-only leaves the last good file, says so in status, and goes on once it is writable', {
    timeout: 60_000,
  }, async () => {
    shortLived();
    await keep('tokens: [{ audience: vault, file: disk/v.token }]');
    await eventually('it is there', () => written('disk/v.token'));
    mount('-o', 'remount,ro', place);
    const last = read('disk/v.token');
    await eventually('it fails', failed);
    const { code, files } = await statusOf();
    expect(code).toBe(6);
    expect(files[0]).toMatchObject({ problem: expect.stringContaining('the file system is read-only: remount it') });
    expect(read('disk/v.token')).toBe(last);
    mount('-o', 'remount,rw', place);
    await eventually('it is new', () => written('disk/v.token') !== last);
  });

  const failed = (): boolean => (running[0] as ChildProcess & { log: string }).log.includes('not fresh');
});
