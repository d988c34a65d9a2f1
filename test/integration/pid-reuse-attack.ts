/**
 * Runs inside a PID namespace of its own, where the next pid can be chosen. A process connects and dies; another is
 * given its pid before, or after, the connection is accepted. Prints how often the newcomer was taken for the dead one.
 */
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type net from 'node:net';
import { type Peer, Peers } from '../../src/runtime/peer.ts';
import { descriptorOf } from '../../src/runtime/socket-handle.ts';
import { listenUnix } from '../../src/runtime/unix-socket.ts';

const [path = '', count = '0'] = process.argv.slice(2);
const connectAndDie = `import socket,os\ns=socket.socket(socket.AF_UNIX)\ns.connect('${path}')\nprint(os.getpid(), flush=True)\n`;
const connectAndWait = `${connectAndDie}import sys\nsys.stdin.readline()\n`;

const peers = new Peers({ watchExits: true });
let arrived: (socket: net.Socket) => void = () => undefined;
const listening = await listenUnix({ path, mode: 0o666, accept: (socket) => arrived(socket) });
const nextSocket = (): Promise<net.Socket> => new Promise((resolve) => (arrived = resolve));
const tally = { rounds: 0, reused: 0, mistaken: 0 };

for (let round = 0; round < Number(count); round++) {
  tally.rounds += 1;
  await (round % 2 === 0 ? reuseBeforeAccept() : reuseAfterAccept());
}
listening.close();
peers.close();
process.stdout.write(`${JSON.stringify(tally)}\n`);
process.exit(0);

/** The event loop stands still while the first one connects and dies: its connection waits in the backlog. */
async function reuseBeforeAccept(): Promise<void> {
  const socket = nextSocket();
  const pid = Number(spawnSync('/usr/bin/python3', ['-c', connectAndDie]).stdout.toString());
  const newcomer = spawnWithPid(pid);
  const connection = await socket;
  try {
    const peer = peers.accept(descriptorOf(connection));
    tally.mistaken += 1;
    peers.release(peer.process);
  } catch {
    // Refused, as it must be.
  }
  newcomer.kill('SIGKILL');
  connection.destroy();
}

/** The first one is known already when it dies; what is asked again before each message must notice. */
async function reuseAfterAccept(): Promise<void> {
  const socket = nextSocket();
  const first = spawn('/usr/bin/python3', ['-c', connectAndWait], { stdio: ['pipe', 'ignore', 'inherit'] });
  const connection = await socket;
  const peer: Peer = peers.accept(descriptorOf(connection));
  const gone = new Promise((resolve) => first.once('exit', resolve));
  first.kill('SIGKILL');
  await gone;
  const newcomer = spawnWithPid(peer.process.pid);
  if (peer.process.sameness() === 'same') tally.mistaken += 1;
  peers.release(peer.process);
  newcomer.kill('SIGKILL');
  connection.destroy();
}

function spawnWithPid(pid: number): ReturnType<typeof spawn> {
  writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 1));
  const newcomer = spawn('/bin/sleep', ['5']);
  newcomer.on('error', () => undefined);
  if (newcomer.pid === pid) tally.reused += 1;
  return newcomer;
}
