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

/** In the order in which a process meets them. */
export const failpoints = [
  // Files that are replaced as a whole: journal, keys, seals, version of the registry, head.
  'file.begin',
  'file.written',
  'file.synced',
  'file.renamed',
  'file.listed',
  // The data directory and the start.
  'data.locked',
  'data.opened',
  'up.started-recorded',
  'up.rooms-open',
  'socket.locked',
  'socket.bound',
  'up.marked',
  'up.serving',
  // The ledger is opened.
  'ledger.create-head',
  'ledger.recover',
  'ledger.mend',
  'ledger.mend-dropped',
  'ledger.mend-truncated',
  'ledger.mend-written',
  'ledger.open',
  // A record: its number, the disk, the answer.
  'ledger.numbered',
  'ledger.before-write',
  'ledger.written',
  'ledger.synced',
  'ledger.before-answer',
  'ledger.answered',
  'ledger.head-before-write',
  'ledger.head-written',
  'ledger.head-before-sync',
  'ledger.head-synced',
  // The next segment.
  'ledger.segment-before-create',
  'ledger.segment-created',
  'ledger.segment-written',
  'ledger.segment-synced',
  'ledger.segment-listed',
  'ledger.segment-sealed',
  // Segments leave.
  'ledger.archive-recorded',
  'ledger.archive-copied',
  'ledger.archive-listed',
  'ledger.archive-removed',
  'ledger.closed',
  // The registry is made and opened.
  'registry.created',
  'registry.filled',
  'registry.placed',
  'registry.inspected',
  'registry.migrated',
  'registry.open',
  // A write: checked and recorded, in a transaction, committed, in memory, told, answered.
  'registry.recorded',
  'registry.begun',
  'registry.rows-written',
  'registry.committed',
  'registry.applied',
  'registry.told',
  'registry.closed',
  'admin.called',
  'admin.worked',
  'admin.recorded',
  // A credential is taken back: on record, in effect, on the authority's list.
  'revoke.found',
  'revoke.recorded',
  'revoke.done',
  // An authority is planned, made, recorded, published, used, forgotten.
  'authority.plan',
  'authority.planned',
  'authority.key-made',
  'authority.described',
  'authority.prepared-recorded',
  'authority.prepared-journaled',
  'authority.published',
  'authority.reread',
  'authority.activated-recorded',
  'authority.activated-journaled',
  'authority.active',
  'authority.retired-recorded',
  'authority.retired-journaled',
  'authority.tainted-recorded',
  'authority.tainted-journaled',
  'authority.tainted',
  'authority.removed-recorded',
  'authority.removed-journaled',
  'authority.removed-published',
  'authority.key-deleted',
  'authority.cleaned',
  'key.generated',
  'key.removed',
  // A peer is learned: pinned by its pidfd, then read about in /proc.
  'peer.pinned',
  'peer.half-learned',
  // A credential: decided, on record, signed, on record, held, sent.
  'agent.attested',
  'agent.refused',
  'agent.entitled',
  'agent.granted-recorded',
  'agent.spare-signed',
  'agent.x509-signed',
  'agent.x509-recorded',
  'agent.x509-held',
  'agent.jwt-signed',
  'agent.jwt-recorded',
  'agent.jwt-held',
  'agent.before-message',
  'agent.after-message',
  'agent.before-jwt-answer',
  'agent.instance-ended',
  'issue.x509-prepared',
  'issue.x509-signed',
  'issue.jwt-prepared',
  'issue.jwt-signed',
  'rpc.answer-encoded',
  'rpc.answered',
  // The end.
  'up.stopping',
  'up.end-recorded',
] as const;

export type Failpoint = (typeof failpoints)[number];

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
