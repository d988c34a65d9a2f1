import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launcher, type Mayfly, newDirectory as makeDirectory, run, startMayfly } from './fixture.ts';
import { grpc } from './workload.ts';

const entry = { spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:10001'] };

const made: string[] = [];
function newDirectory(): string {
  const directory = makeDirectory();
  made.push(directory);
  return directory;
}
afterAll(() => {
  for (const directory of made) rmSync(directory, { recursive: true, force: true });
});

describe('the socket', () => {
  let mayfly: Mayfly;
  beforeAll(async () => {
    mayfly = await startMayfly();
    await mayfly.operator.create(entry);
  });
  afterAll(() => mayfly[Symbol.asyncDispose]());

  it('EP-01 EP-02 EP-05 the default is a Unix socket; no TCP port is opened', () => {
    expect(lstatSync(mayfly.socket).isSocket()).toBe(true);
    expect(listeningPorts(mayfly.pid)).toEqual([]);
  });

  it('EP-34 SE-07 every local user may connect, and none but the owner may write in its directory', async () => {
    expect(statSync(mayfly.socket).mode & 0o777).toBe(0o666);
    expect(statSync(dirname(mayfly.socket)).mode & 0o022).toBe(0);
    expect((await (await mayfly.workload(10001)).call('FetchX509SVID')).code).toBe(grpc.ok);
  });

  it('EP-34 the admin socket is for its owner alone, in a directory of its own', async () => {
    expect(statSync(mayfly.adminSocket).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(mayfly.adminSocket)).mode & 0o077).toBe(0);
    const script = `process.setgroups([]);process.setgid(10001);process.setuid(10001);require('net').connect(${JSON.stringify(mayfly.adminSocket)}).on('error',()=>process.exit(7)).on('connect',()=>process.exit(0))`;
    const outcome = await run(process.execPath, ['-e', script]);
    expect(outcome.status).toBe(7);
  });

  it('EP-35 a second start on a live socket is refused and the first lives on', async () => {
    const second = await up(newDirectory(), ['--socket', mayfly.socket]);
    expect(second.status).not.toBe(0);
    expect(second.stderr).toContain(mayfly.socket);
    expect((await (await mayfly.workload(10001)).call('FetchX509SVID')).code).toBe(grpc.ok);
  });

  it('EP-35 a second start on a held data directory is refused', async () => {
    const second = await up(newDirectory(), ['--data-dir', mayfly.dataDirectory]);
    expect(second.status).not.toBe(0);
    expect(second.stderr).toContain(mayfly.dataDirectory);
  });

  it('EP-06 TCP is not offered for the Workload API, and asking for it says so', async () => {
    for (const address of ['tcp://0.0.0.0:18099', 'tcp://127.0.0.1:18099']) {
      const outcome = await up(newDirectory(), ['--socket', address]);
      expect(outcome.status).toBeGreaterThan(0);
      expect(outcome.stderr).toMatch(/unix/i);
    }
  });
});

describe('a socket whose owner was killed', () => {
  it('EP-35 is taken over by the next start', async () => {
    await using killed = await startMayfly();
    await killed.operator.create(entry);
    await killed.stop('SIGKILL');
    expect(lstatSync(killed.socket).isSocket()).toBe(true);
    await using next = await startMayfly({ directory: killed.directory });
    expect((await (await next.workload(10001)).call('FetchX509SVID')).code).toBe(grpc.ok);
  });
});

describe('a directory that others could write', () => {
  const refused = async (spoil: (directory: string) => string, message: RegExp): Promise<void> => {
    const directory = newDirectory();
    const outcome = await up(directory, ['--socket', spoil(directory)]);
    expect(outcome.status).toBeGreaterThan(0);
    expect(outcome.stderr).toMatch(message);
  };

  it('SE-06 world-writable is refused', () =>
    refused((directory) => {
      chmodSync(join(directory, 'run'), 0o777);
      return join(directory, 'run', 'api.sock');
    }, /written|writable|write/));

  it('SE-06 owned by another user is refused', () =>
    refused((directory) => {
      chownSync(join(directory, 'run'), 10001, 10001);
      return join(directory, 'run', 'api.sock');
    }, /10001|belongs|owned/));

  it('SE-06 behind a symbolic link is refused', () =>
    refused((directory) => {
      symlinkSync(join(directory, 'run'), join(directory, 'link'));
      return join(directory, 'link', 'api.sock');
    }, /link/));

  it('SE-06 a symbolic link in the place of the socket is refused, not followed', () =>
    refused((directory) => {
      symlinkSync('/etc/hostname', join(directory, 'run', 'api.sock'));
      return join(directory, 'run', 'api.sock');
    }, /socket|link/));

  it('SE-06 a file in the place of the socket is refused, not removed', () =>
    refused((directory) => {
      mkdirSync(join(directory, 'run', 'api.sock'));
      return join(directory, 'run', 'api.sock');
    }, /socket/));
});

/** One `mayfly up` that is expected to end by itself; the flags come last and win. */
function up(directory: string, flags: readonly string[], timeout = 15_000) {
  const places = new Map([
    ['--data-dir', join(directory, 'data')],
    ['--socket', join(directory, 'run', 'api.sock')],
    ['--admin-socket', join(directory, 'admin', 'admin.sock')],
  ]);
  for (let at = 0; at < flags.length; at += 2) places.set(flags[at] ?? '', flags[at + 1] ?? '');
  const args = [...places].flat();
  return run(launcher, ['up', '--trust-domain', 'example.org', ...args], { timeout, cwd: directory });
}

/** TCP ports that this process listens on, from the kernel's tables. */
function listeningPorts(pid: number): number[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      } catch {
        return undefined;
      }
    }),
  );
  const rows = ['tcp', 'tcp6'].flatMap((name) => readFileSync(`/proc/${pid}/net/${name}`, 'utf8').split('\n').slice(1));
  const columns = rows.map((row) => row.trim().split(/\s+/));
  return columns
    .filter((column) => column[3] === '0A' && inodes.has(column[9]))
    .map((column) => Number.parseInt(column[1]?.split(':')[1] ?? '', 16));
}
