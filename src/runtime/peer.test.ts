import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import type net from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../../test/fakes/eventually.ts';
import { inspectProcess, type Peer, Peers, startedAt } from './peer.ts';
import { descriptorOf } from './socket-handle.ts';
import { listenUnix, type UnixSocket } from './unix-socket.ts';

/** Real processes connect; each line that it is sent, the script runs, and says so unless it is another program by then. */
const script = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
for line in sys.stdin:
    exec(line)
    print('done', flush=True)
`;

let home: string;
let listening: UnixSocket;
let peers: Peers;
const accepted: net.Socket[] = [];
const waiting: ((socket: net.Socket) => void)[] = [];
const children: ChildProcess[] = [];

beforeAll(async () => {
  home = mkdtempSync('/run/mayfly-peer-');
  peers = new Peers({ watchExits: true });
  const accept = (socket: net.Socket): void => {
    accepted.push(socket);
    waiting.shift()?.(socket);
  };
  listening = await listenUnix({ path: join(home, 'public', 'p.sock'), mode: 0o666, accept });
  chmodSync(home, 0o755);
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const socket of accepted.splice(0)) socket.destroy();
});
afterAll(() => {
  listening.close();
  peers.close();
  rmSync(home, { recursive: true });
});

async function connect(uid = 0): Promise<{ peer: Peer; child: ChildProcess; run: (line: string) => Promise<void> }> {
  const came = new Promise<net.Socket>((resolve) => waiting.push(resolve));
  const child = spawn('/usr/bin/python3', ['-c', script, listening.path], {
    uid,
    gid: uid,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  let done = 0;
  child.stdout?.on('data', () => done++);
  const program = (): string => readlinkSync(`/proc/${child.pid}/exe`);
  const peer = peers.accept(descriptorOf(await came));
  const run = async (line: string): Promise<void> => {
    const [before, python] = [done, program()];
    child.stdin?.write(`${line}\n`);
    await eventually('the line has run', () => done > before || program() !== python);
  };
  return { peer, child, run };
}

const descriptors = (): number => readdirSync('/proc/self/fd').length;

describe('a peer', () => {
  it('EP-15 EP-16 is who the kernel says, without a word from the process', async () => {
    const { peer, child } = await connect(10_001);
    expect(peer.credentials).toMatchObject({ pid: child.pid, uid: 10_001, gid: 10_001 });
    expect(peer.process.ids).toMatchObject({ uid: 10_001, gid: 10_001 });
    expect(peer.process.executablePath()).toMatch(/python3/);
    expect(peer.process.isExecutable(peer.process.executablePath())).toBe(true);
    expect(peer.process.isExecutable('/bin/true')).toBe(false);
    expect(Math.abs(startedAt(peer.process, Date.now()) - Date.now())).toBeLessThan(60_000);
    expect(peer.process.sameness()).toBe('same');
    peers.release(peer.process);
  });

  it('SE-02 R-PEER-1 is gone as soon as the process is, though a child keeps the connection', async () => {
    const { peer, child, run } = await connect();
    await run('import subprocess; subprocess.Popen(["sleep", "2"], pass_fds=[s.fileno()])');
    const ended = new Promise<void>((resolve) => peer.process.onEnded(() => resolve()));
    child.kill('SIGKILL');
    await ended;
    expect(peer.process.sameness()).toBe('gone');
    peers.release(peer.process);
  });

  it('SE-03 R-PEER-2 has changed once it has become another program', async () => {
    const { peer, run } = await connect();
    await run('os.set_inheritable(s.fileno(), True); os.execv("/bin/sleep", ["sleep", "5"])');
    expect(peer.process.sameness()).toBe('changed');
    peers.release(peer.process);
  });

  it('R-PEER-2 has changed once it runs as another user, or in other groups', async () => {
    const user = await connect();
    await user.run('os.setresuid(10002, 10002, 10002)');
    expect(user.peer.process.sameness()).toBe('changed');
    const groups = await connect();
    await groups.run('os.setgroups([4, 24])');
    expect(groups.peer.process.sameness()).toBe('changed');
    for (const { peer } of [user, groups]) peers.release(peer.process);
  });

  it('R-RES-1 gives back every descriptor, whether the process lived or died', async () => {
    const before = descriptors();
    for (let round = 0; round < 5; round++) {
      const { peer, child } = await connect();
      const gone = new Promise((resolve) => child.once('exit', resolve));
      if (round % 2 === 0) {
        child.kill('SIGKILL');
        await gone;
      }
      peers.release(peer.process);
      for (const socket of accepted.splice(0)) socket.destroy();
      child.kill('SIGKILL');
      await gone;
    }
    await eventually('no descriptor is left', () => descriptors() <= before + 1);
  });

  it('is the same however many files it opens', async () => {
    const { peer, run } = await connect();
    await run('files = [open("/dev/null") for _ in range(700)]');
    expect(peer.process.sameness()).toBe('same');
    peers.release(peer.process);
  });

  it('is one process on all its connections', async () => {
    const { peer, run } = await connect();
    const second = new Promise<net.Socket>((resolve) => waiting.push(resolve));
    await run('t = socket.socket(socket.AF_UNIX); t.connect(sys.argv[1])');
    const again = peers.accept(descriptorOf(await second));
    expect(again.process).toBe(peer.process);
    for (const each of [peer, again]) peers.release(each.process);
  });

  it('R-PEER-2 is refused when it has become a setuid program before anybody looked at it', async () => {
    const came = new Promise<net.Socket>((resolve) => waiting.push(resolve));
    const child = spawn('/usr/bin/python3', ['-c', script, listening.path], {
      uid: 10_001,
      gid: 10_001,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    children.push(child);
    const socket = await came;
    child.stdin?.write('os.set_inheritable(s.fileno(), True); os.execv("/bin/su", ["su"])\n');
    const program = (): string => readFileSync(`/proc/${child.pid}/status`, 'latin1');
    while (!program().includes('Name:\tsu\n')) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(program()).toMatch(/^Uid:\t10001\t0\t/m);
    expect(() => peers.accept(descriptorOf(socket))).toThrow(expect.objectContaining({ reason: 'peer-changed' }));
  });

  it('R-PEER-2 is refused when it is in other groups than when it connected', async () => {
    const came = new Promise<net.Socket>((resolve) => waiting.push(resolve));
    const child = spawn('/usr/bin/python3', ['-c', script, listening.path], { stdio: ['pipe', 'pipe', 'ignore'] });
    children.push(child);
    const socket = await came;
    child.stdin?.write('os.setgroups([4, 24])\n');
    await new Promise((resolve) => child.stdout.once('data', resolve));
    expect(() => peers.accept(descriptorOf(socket))).toThrow(expect.objectContaining({ reason: 'peer-changed' }));
  });

  it('R-PEER-2 is not served while a debugger holds it, and is again afterwards', async () => {
    const { peer, child } = await connect(10_001);
    const trace = `import ctypes, sys; print(ctypes.CDLL(None).ptrace(0x4206, ${child.pid}, 0, 0), flush=True); sys.stdin.readline()`;
    const tracer = spawn('/usr/bin/python3', ['-c', trace], { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(tracer);
    expect(String(await new Promise((resolve) => tracer.stdout.once('data', resolve)))).toMatch(/^0/);
    expect(peer.process.sameness()).toBe('traced');
    const gone = new Promise((resolve) => tracer.once('exit', resolve));
    tracer.stdin.end();
    await gone;
    expect(peer.process.sameness()).toBe('same');
    peers.release(peer.process);
  });

  it('is learned anew on its next connection after it has changed', async () => {
    const { peer, run } = await connect();
    const second = new Promise<net.Socket>((resolve) => waiting.push(resolve));
    await run('os.setgroups([4, 24]); t = socket.socket(socket.AF_UNIX); t.connect(sys.argv[1])');
    expect(peer.process.sameness()).toBe('changed');
    const again = peers.accept(descriptorOf(await second));
    expect(again.process.sameness()).toBe('same');
    expect(again.process.ids.supplementaryGids).toEqual([4, 24]);
    for (const each of [peer, again]) peers.release(each.process);
  });

  it('can be inspected by its pid; one that does not exist is not found', () => {
    const self = inspectProcess(process.pid);
    expect(self.sameness()).toBe('same');
    self.close();
    expect(() => inspectProcess(4_194_303)).toThrow(expect.objectContaining({ code: 'not-found' }));
  });
});

describe('a peer in our own code', () => {
  it('R-PEER-6 no file of ours takes a peer from text', () => {
    const source = join(import.meta.dirname, '..');
    const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.startsWith('gen/'))
      // Over TCP, where bundle and keys are served to everybody, an address limits how much of it, and grants nothing.
      .filter((file) => file !== 'federation/connection-limits.ts')
      .filter((file) => /\b(remoteAddress|getPeer\()/.test(readFileSync(join(source, file), 'utf8')));
    expect(files).toEqual([]);
  });
});
