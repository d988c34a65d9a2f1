import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listenUnix } from './unix-socket.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync('/run/mayfly-test-');
  chmodSync(home, 0o755);
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const listen = (path: string, mode: 0o666 | 0o600 = 0o666) =>
  listenUnix({ path, mode, accept: (socket) => socket.destroy() });

describe('a Unix socket', () => {
  it('EP-34 SE-07 can be connected to by every local user, in a directory that none of them can write', async () => {
    const path = join(home, 'public', 'api.sock');
    const socket = await listen(path);
    expect(statSync(path).mode & 0o777).toBe(0o666);
    expect(statSync(join(home, 'public')).mode & 0o777).toBe(0o755);
    socket.close();
    expect(existsSync(path)).toBe(false);
  });

  it('keeps the admin socket, and its directory, for the owner', async () => {
    const path = join(home, 'admin', 'admin.sock');
    const socket = await listen(path, 0o600);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(home, 'admin')).mode & 0o777).toBe(0o700);
    socket.close();
  });

  it('EP-35 takes over a socket whose owner was killed', async () => {
    const path = join(home, 'api.sock');
    const { execFileSync } = await import('node:child_process');
    const script = `import socket,os\ns=socket.socket(socket.AF_UNIX)\ns.bind('${path}')\ns.listen()\nos._exit(9)`;
    expect(() => execFileSync('python3', ['-c', script])).toThrow();
    expect(existsSync(path)).toBe(true);
    const socket = await listen(path);
    socket.close();
  });

  it('EP-35 does not steal a socket from a mayfly that lives', async () => {
    const path = join(home, 'api.sock');
    const first = await listen(path);
    await expect(listen(path)).rejects.toMatchObject({ code: 'failed-precondition', message: /another mayfly/ });
    first.close();
    const second = await listen(path);
    second.close();
  });

  it('EP-35 does not steal a socket from another program', async () => {
    const path = join(home, 'api.sock');
    const other = net.createServer().listen(path);
    await new Promise((resolve) => other.once('listening', resolve));
    await expect(listen(path)).rejects.toMatchObject({ message: expect.stringContaining('another program') });
    other.close();
  });

  it('SE-06 refuses a directory that others can write, and one above it', async () => {
    mkdirSync(join(home, 'open', 'in'), { recursive: true });
    chmodSync(join(home, 'open'), 0o777);
    await expect(listen(join(home, 'open', 'api.sock'))).rejects.toMatchObject({ message: /can be written by others/ });
    await expect(listen(join(home, 'open', 'in', 'api.sock'))).rejects.toMatchObject({ message: /can be written/ });
  });

  it('SE-06 refuses a path through a symbolic link, and a file that is no socket', async () => {
    mkdirSync(join(home, 'real'));
    symlinkSync(join(home, 'real'), join(home, 'link'));
    writeFileSync(join(home, 'file'), '');
    await expect(listen(join(home, 'link', 'api.sock'))).rejects.toMatchObject({ message: /through a link/ });
    await expect(listen(join(home, 'file'))).rejects.toMatchObject({ message: /is not a socket/ });
  });

  it('says so when the path is too long for the kernel', async () => {
    await expect(listen(join(home, 'x'.repeat(120)))).rejects.toMatchObject({ message: /longer than 107 bytes/ });
  });
});

describe.concurrent('the place of a socket that is in use', () => {
  const ownDirectory = (finished: (clean: () => void) => void): string => {
    const directory = mkdtempSync('/run/mayfly-test-');
    chmodSync(directory, 0o755);
    finished(() => rmSync(directory, { recursive: true, force: true }));
    return directory;
  };
  const answers = (path: string): Promise<boolean> =>
    new Promise((resolve) => {
      const probe = net.connect(path, () => resolve(true)).once('error', () => resolve(false));
      probe.once('connect', () => probe.destroy());
    });
  const until = async (met: () => boolean | Promise<boolean>): Promise<void> => {
    for (const late = Date.now() + 30_000; !(await met()); await new Promise((resolve) => setTimeout(resolve, 50))) {
      if (Date.now() > late) throw new Error('not within 30 s');
    }
  };

  it('is taken back when the socket is removed, replaced by another or by a link, and open connections are kept', async ({
    expect,
    onTestFinished,
  }) => {
    const home = ownDirectory(onTestFinished);
    const path = join(home, 'run', 'api.sock');
    const reports: string[] = [];
    const kept: net.Socket[] = [];
    const accept = (socket: net.Socket): void => void kept.push(socket);
    const socket = await listenUnix({ path, mode: 0o666, accept, report: (problem) => reports.push(problem) });
    const client = net.connect(path);
    await until(() => kept.length === 1);
    const victim = join(home, 'victim');
    writeFileSync(victim, '', { mode: 0o600 });
    const impostor = net.createServer();
    const spoilt = [
      () => rmSync(path),
      () => rmSync(join(home, 'run'), { recursive: true }),
      () => {
        rmSync(path);
        impostor.listen(path);
      },
      () => {
        rmSync(path);
        symlinkSync(victim, path);
      },
    ];
    for (const spoil of spoilt) {
      const told = reports.length;
      spoil();
      await until(() => reports.length > told);
      expect(socket.problem).toContain('bound again');
      expect(lstatSync(path).isSocket()).toBe(true);
      const before = kept.length;
      expect(await answers(path)).toBe(true);
      await until(() => kept.length === before + 1);
      expect(statSync(path).mode & 0o777).toBe(0o666);
    }
    expect(statSync(victim).mode & 0o777).toBe(0o600);
    await expect(listen(path)).rejects.toMatchObject({ message: /another mayfly/ });
    expect(reports.length).toBe(4);
    expect(client.destroyed).toBe(false);
    expect(kept[0]?.destroyed).toBe(false);
    client.destroy();
    socket.close();
    impostor.close();
    expect(existsSync(path)).toBe(false);
  });

  it('is told when others may write there, for as long as they may', async ({ onTestFinished }) => {
    const home = ownDirectory(onTestFinished);
    const path = join(home, 'run', 'admin.sock');
    const socket = await listen(path, 0o600);
    chmodSync(join(home, 'run'), 0o777);
    await until(() => /can be written by others; .*chmod go-w/.test(socket.problem ?? ''));
    chmodSync(join(home, 'run'), 0o700);
    chmodSync(path, 0o666);
    await until(() => /has mode 666; set it right: chmod 600/.test(socket.problem ?? ''));
    chmodSync(path, 0o600);
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    await until(() => socket.problem === undefined);
    socket.close();
  });
});
