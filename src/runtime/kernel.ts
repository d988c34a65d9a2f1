/**
 * The few questions that only the kernel can answer about who is at the other end of a Unix socket, and that Node does
 * not ask. Everything here is synchronous and takes microseconds; descriptors it returns belong to the caller.
 */
import { closeSync, readFileSync } from 'node:fs';
import koffi from 'koffi';
import { IdentityError } from '../errors.ts';

const libc = koffi.load('libc.so.6');
const getsockopt = libc.func('int getsockopt(int, int, int, _Out_ uint8_t *, _Inout_ uint32_t *)');
const poll = libc.func('int poll(void *, unsigned long, int)');
const openat = libc.func('int openat(int, const char *, int)');
const fstatat = libc.func('int fstatat(int, const char *, void *, int)');
const readlinkat = libc.func('long readlinkat(int, const char *, _Out_ uint8_t *, unsigned long)');
const flock = libc.func('int flock(int, int)');
const syscall = libc.func('long syscall(long, int, unsigned int)');
const mallocTrim = libc.func('int malloc_trim(unsigned long)');
const prctl = libc.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)');
const socketpair = libc.func('int socketpair(int, int, int, _Out_ uint8_t *)');
const setsockopt = libc.func('int setsockopt(int, int, int, const uint8_t *, uint32_t)');
const accept4 = libc.func('int accept4(int, void *, void *, int)');
const fcntl = libc.func('int fcntl(int, int, int)');
const recvmsg = libc.func('long recvmsg(int, void *, int)');

// Linux numbers, the same on x86-64 and arm64 unless said otherwise.
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_PASSCRED = 16;
const SO_PEERCRED = 17;
const SO_PEERGROUPS = 59; // Linux 4.13
const SO_PEERPIDFD = 77; // Linux 6.5
const POLLIN = 1;
const POLLOUT = 4;
const MSG_PEEK_DONTWAIT = 0x02 | 0x40;
const SCM_CREDENTIALS = 2;
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const O_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK_CLOEXEC = 0o4000 | O_CLOEXEC;
const O_PATH = 0o10000000;
const O_DIRECTORY = process.arch === 'arm64' ? 0o40000 : 0o200000;
const F_DUPFD_CLOEXEC = 1030;
const LOCK_EX_NB = 2 | 4;
const SYS_pidfd_open = 434;
const PR_SET_DUMPABLE = 4;

/** Who called connect(2), as the kernel wrote it down then: translated into our namespaces, 0 where it cannot be. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  readonly supplementaryGids: readonly number[];
}

export function peerCredentials(socket: number): PeerCredentials {
  const ucred = peerUcred(socket);
  const supplementaryGids = peerGroups(socket);
  return { pid: ucred.readInt32LE(0), uid: ucred.readUInt32LE(4), gid: ucred.readUInt32LE(8), supplementaryGids };
}

/** Whose connection it is: enough to count it, and an answer whatever groups its maker is in. */
export const peerUid = (socket: number): number => peerUcred(socket).readUInt32LE(4);

function peerUcred(socket: number): Buffer {
  const ucred = Buffer.alloc(12);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, ucred, [ucred.length]) !== 0) throw failure('SO_PEERCRED');
  return ucred;
}

/** As many as can be read in /proc/PID/status too; whoever is in more is refused as doubt. */
const groups = Buffer.alloc(4 * 4096);

function peerGroups(socket: number): number[] {
  const length = [groups.length];
  if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, length) !== 0) throw failure('SO_PEERGROUPS');
  return Array.from({ length: (length[0] ?? 0) / 4 }, (_, at) => groups.readUInt32LE(4 * at));
}

/** A descriptor that names the process which connected, even when its pid has been given to another since. */
export function peerPidfd(socket: number): number {
  const value = Buffer.alloc(4);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, value, [value.length]) !== 0) throw failure('SO_PEERPIDFD');
  return value.readInt32LE(0);
}

/** Does this kernel know `SO_PEERPIDFD`? Asked about a connection of our own with ourselves. */
export function hasPeerPidfd(): boolean {
  const ends = Buffer.alloc(8);
  if (socketpair(AF_UNIX, SOCK_STREAM | O_CLOEXEC, 0, ends) !== 0) throw failure('socketpair');
  const [one, other] = [ends.readInt32LE(0), ends.readInt32LE(4)];
  try {
    closeSync(peerPidfd(one));
    return true;
  } catch {
    return false;
  } finally {
    for (const end of [one, other]) closeSync(end);
  }
}

/** From now on the kernel notes who writes on connections that are accepted from this listening socket. */
export function noteWriters(listening: number): void {
  const on = Buffer.from([1, 0, 0, 0]);
  if (setsockopt(listening, SOL_SOCKET, SO_PASSCRED, on, on.length) !== 0) throw failure('SO_PASSCRED');
}

/** The next connection that waits on a listening socket, as a descriptor; negative when there is none. */
export const acceptNext = (listening: number): number => accept4(listening, null, null, SOCK_NONBLOCK_CLOEXEC);

/**
 * The pid of whoever wrote the first byte that waits on a connection; 0 when there is none to say: the other end hung up,
 * or the writer has no pid here. The byte stays where it is. undefined: nothing was written yet.
 */
export function firstWriter(socket: number): number | undefined {
  message.writeBigUInt64LE(BigInt(controlBytes), msgControllen);
  const length = Number(recvmsg(socket, message, MSG_PEEK_DONTWAIT));
  if (length < 0) return koffi.errno() === koffi.os.errno['EAGAIN'] ? undefined : 0;
  const named =
    // Else what lies there is of the connection before.
    message.readBigUInt64LE(msgControllen) > 0n &&
    message.readUInt32LE(control + 8) === SOL_SOCKET &&
    message.readUInt32LE(control + 12) === SCM_CREDENTIALS;
  return length > 0 && named ? message.readInt32LE(control + 16) : 0;
}

/**
 * struct msghdr with all that it points to, in one piece of memory that stays where it is. There is room for credentials
 * and for nothing else: descriptors that a caller sends along are not installed.
 */
const [iov, byte, control, controlBytes, msgControllen] = [64, 80, 96, 32, 40];
const message = Buffer.alloc(4096);
{
  const base = BigInt(koffi.address(message));
  message.writeBigUInt64LE(base + BigInt(iov), 16);
  message.writeBigUInt64LE(1n, 24);
  message.writeBigUInt64LE(base + BigInt(control), 32);
  message.writeBigUInt64LE(base + BigInt(byte), iov);
  message.writeBigUInt64LE(1n, iov + 8);
}

export function pidfdOpen(pid: number): number {
  const pidfd = syscall(SYS_pidfd_open, pid, 0);
  if (pidfd < 0) throw new IdentityError('not-found', `no process has pid ${pid}; check with: ps -p ${pid}`);
  return pidfd;
}

/** pollfd { int fd; short events; short revents }, reused: nothing awaits between filling and reading it. */
const pollfd = Buffer.alloc(8);

/** False as soon as the process behind the pidfd has exited, zombies included. */
export function isAlive(pidfd: number): boolean {
  const ready = askAbout(pidfd, POLLIN, 0);
  // A signal may have come in between (a profiler's, say): that is no answer. Two in a row are doubt.
  return ready < 0 ? askAbout(pidfd, POLLIN, 0) === 0 : ready === 0;
}

/** Does a pipe, a socket or a terminal take something within so many milliseconds? True of a file, and where nobody reads any more. */
export const isWritable = (descriptor: number, waitMs: number): boolean =>
  askAbout(descriptor, POLLOUT, Math.ceil(waitMs)) > 0;

function askAbout(descriptor: number, events: number, waitMs: number): number {
  pollfd.writeInt32LE(descriptor, 0);
  pollfd.writeInt32LE(events, 4);
  return poll(pollfd, 1, waitMs);
}

/** A handle on /proc/PID: it answers ENOENT or ESRCH once that very process is gone. */
export function openProcessDirectory(pid: number): number {
  const fd = openat(AT_FDCWD, `/proc/${pid}`, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw failure(`open /proc/${pid}`);
  return fd;
}

/** Opens `name` below an open directory for reading. */
export function openBelow(directory: number, name: string): number {
  const fd = openat(directory, name, O_CLOEXEC);
  if (fd < 0) throw failure(`open ${name}`);
  return fd;
}

/** What makes a file this file: dev, ino, size and mtime of `struct stat`, which sit alike on x86-64 and arm64. */
const stat = Buffer.alloc(256);

export function fileIdentity(directory: number, name: string): Buffer {
  if (fstatat(directory, name, stat, 0) !== 0) throw failure(`stat ${name}`);
  return Buffer.concat([stat.subarray(0, 16), stat.subarray(48, 56), stat.subarray(88, 104)]);
}

/** With an empty name: the open file `directory` itself. */
export function sameFile(directory: number, name: string, identity: Buffer): boolean {
  return (
    fstatat(directory, name, stat, name === '' ? AT_EMPTY_PATH : 0) === 0 &&
    stat.compare(identity, 0, 16, 0, 16) === 0 &&
    stat.compare(identity, 16, 24, 48, 56) === 0 &&
    stat.compare(identity, 24, 40, 88, 104) === 0
  );
}

export function readLinkBelow(directory: number, name: string): string {
  const target = Buffer.alloc(4096);
  const length = Number(readlinkat(directory, name, target, target.length));
  if (length < 0) throw failure(`readlink ${name}`);
  return target.toString('utf8', 0, length);
}

/** Another descriptor of the same open file. */
export function duplicate(fd: number): number {
  const another = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (another < 0) throw failure('fcntl');
  return another;
}

/** Takes the lock on an open file for as long as it stays open; false when somebody else has it. */
export const tryLock = (fd: number): boolean => flock(fd, LOCK_EX_NB) === 0;

/** How many descriptors this process may have open. Node has raised it as far as it may. */
export const descriptorLimit = (): number =>
  Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? 1024);

/** Keys stay in memory: no core file is written of this process, and nobody but root may look into it. */
export function protectMemory(): void {
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/** Gives back what was allocated outside of V8's heap and is free again: libc keeps all of it below the last piece in use. */
export const returnFreeMemory = (): void => void mallocTrim(0);

export const failure = (what: string): IdentityError =>
  new IdentityError('permission-denied', 'no identity issued', {
    reason: 'kernel-refused',
    cause: new Error(`${what}: ${koffi.os.errno[errnoName()] === undefined ? 'failed' : errnoName()}`),
  });

function errnoName(): string {
  const number = koffi.errno();
  return Object.entries(koffi.os.errno).find(([, value]) => value === number)?.[0] ?? `errno ${number}`;
}
