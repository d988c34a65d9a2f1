/**
 * Steps at which a test can make this process die, fail, wait or stop, to prove that it may happen anywhere. They are
 * always compiled in, so that what is tested is what runs, and off: then each costs one look at a boolean.
 *
 * One way turns them on: MAYFLY_FAILPOINTS names a descriptor that the parent left open, and it is a socket. Nothing on
 * any of mayfly's own sockets or in its settings can. The ledger's `mayfly.started` says when they were on.
 *
 * The other end writes lines and `go` after the first of them; each line is answered by one:
 *
 *   arm NAME AFTER TIMES ACTION [ARGUMENT]   pass AFTER times, then act TIMES times: kill, error CODE, delay MS, pause
 *   disarm                                   forget all that was armed
 *   passes                                   how often each was passed, as JSON
 *
 * and reads `hit NAME` before each action.
 */
import { fstatSync, readSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { IdentityError } from '../errors.ts';
import { type Failpoint, failpoints } from './failpoints.ts';

let on = false;

export function failpoint(name: Failpoint): void {
  if (on) pass(name);
}

/** @returns whether failpoints are on. Waits until the other end has said what to begin with. */
export function enableFailpoints(descriptor: string | undefined): boolean {
  if (descriptor === undefined) return false;
  const fd = /^[1-9]\d?$/.test(descriptor) ? Number(descriptor) : 0;
  if (!isSocket(fd)) {
    const message = `MAYFLY_FAILPOINTS is for mayfly's own tests and is '${descriptor}', which no parent left open: unset it`;
    throw new IdentityError('invalid-argument', message);
  }
  control = fd;
  on = true;
  obeyUntilGo(fd);
  const socket = new Socket({ fd }).unref();
  socket.on('data', (bytes) => obey(bytes.toString('latin1')));
  // Nobody is left who would end this process.
  socket.on('close', () => process.exit(1));
  socket.on('error', () => process.exit(1));
  return true;
}

interface Trap {
  after: number;
  times: number;
  readonly act: (name: Failpoint) => void;
}

let control = 0;
let rest = '';
const traps = new Map<Failpoint, Trap>();
const passes = new Map<Failpoint, number>();

function pass(name: Failpoint): void {
  passes.set(name, (passes.get(name) ?? 0) + 1);
  const trap = traps.get(name);
  if (trap === undefined || trap.after-- > 0) return;
  if (--trap.times <= 0) traps.delete(name);
  say(`hit ${name}`);
  trap.act(name);
}

const actions: Readonly<Record<string, (argument: string) => Trap['act']>> = {
  kill: () => () => {
    process.kill(process.pid, 'SIGKILL');
    wait(Infinity);
  },
  error: (code) => (name) => {
    throw Object.assign(new Error(`${code}: injected at ${name}`), { code, syscall: 'failpoint' });
  },
  delay: (ms) => () => wait(Number(ms)),
  pause: () => () => void process.kill(process.pid, 'SIGSTOP'),
};

/** The whole thread stands still, as it does in a system call that does not return. */
const wait = (ms: number): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

function obeyUntilGo(fd: number): void {
  const bytes = Buffer.alloc(64 * 1024);
  for (let started = false; !started; ) {
    const length = readSync(fd, bytes);
    if (length === 0) process.exit(1);
    started = obey(bytes.toString('latin1', 0, length));
  }
}

/** @returns whether `go` was among them */
function obey(text: string): boolean {
  const lines = (rest + text).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) say(answer(line.split(' ')));
  return lines.includes('go');
}

function answer([order, name, after, times, action = '', argument = '']: readonly string[]): string {
  if (order === 'passes') return JSON.stringify(Object.fromEntries(passes));
  if (order === 'disarm') traps.clear();
  if (order !== 'arm') return 'ok';
  const known = failpoints.find((failpoint) => failpoint === name);
  const act = actions[action]?.(argument);
  if (known === undefined || act === undefined) return `unknown ${name} ${action}`;
  traps.set(known, { after: Number(after), times: Number(times), act });
  return 'ok';
}

const say = (line: string): void => void writeSync(control, `${line}\n`);

function isSocket(fd: number): boolean {
  try {
    return fd > 2 && fstatSync(fd).isSocket();
  } catch {
    return false;
  }
}
