import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
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
