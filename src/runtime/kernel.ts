/**
 * The few questions that only the kernel can answer about who is at the other end of a Unix socket, and that Node does
 * not ask. Everything here is synchronous and takes microseconds; descriptors it returns belong to the caller.
 */
import { closeSync } from 'node:fs';
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
const prctl = libc.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)');
const epollCreate = libc.func('int epoll_create1(int)');
const epollControl = libc.func('int epoll_ctl(int, int, int, void *)');
const epollWait = libc.func('int epoll_wait(int, _Out_ uint8_t *, int, int)');

// Linux numbers, the same on x86-64 and arm64 unless said otherwise.
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_PEERPIDFD = 77; // Linux 6.5
const POLLIN = 1;
const AT_FDCWD = -100;
const O_CLOEXEC = 0o2000000;
const O_PATH = 0o10000000;
const O_DIRECTORY = process.arch === 'arm64' ? 0o40000 : 0o200000;
const LOCK_EX_NB = 2 | 4;
const SYS_pidfd_open = 434;
const PR_SET_DUMPABLE = 4;

/** Who called connect(2), as the kernel wrote it down then: translated into our namespaces, 0 where it cannot be. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export function peerCredentials(socket: number): PeerCredentials {
  const ucred = Buffer.alloc(12);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, ucred, [ucred.length]) !== 0) throw failure('SO_PEERCRED');
  return { pid: ucred.readInt32LE(0), uid: ucred.readUInt32LE(4), gid: ucred.readUInt32LE(8) };
}

/** A descriptor that names the process which connected, even when its pid has been given to another since. */
export function peerPidfd(socket: number): number {
  const value = Buffer.alloc(4);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, value, [value.length]) !== 0) throw failure('SO_PEERPIDFD');
  return value.readInt32LE(0);
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
  pollfd.writeInt32LE(pidfd, 0);
  pollfd.writeInt32LE(POLLIN, 4);
  const ready = poll(pollfd, 1, 0);
  // A signal may have come in between (a profiler's, say): that is no answer. Two in a row are doubt.
  return ready < 0 ? poll(pollfd, 1, 0) === 0 : ready === 0;
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

export function sameFile(directory: number, name: string, identity: Buffer): boolean {
  return (
    fstatat(directory, name, stat, 0) === 0 &&
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

/** Takes the lock on an open file for as long as it stays open; false when somebody else has it. */
export const tryLock = (fd: number): boolean => flock(fd, LOCK_EX_NB) === 0;

/** Keys stay in memory: no core file is written of this process, and nobody but root may look into it. */
export function protectMemory(): void {
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/** Says at once when a process exits. The kernel wakes one waiting call; nothing is polled. */
export class ExitWatch {
  readonly #epoll: number = epollCreate(O_CLOEXEC);
  /** By a number of our own: an event may arrive after its descriptor was closed and the same one given out again. */
  readonly #watched = new Map<number, { readonly pidfd: number; readonly exited: () => void }>();
  #lastCookie = 0;
  #waiting = false;
  #closed = false;

  /** Calls `exited` once, when the process behind `pidfd` ends; forgotten when disposed. The pidfd stays the caller's. */
  add(pidfd: number, exited: () => void): Disposable {
    this.#lastCookie = (this.#lastCookie + 1) % 2 ** 32;
    const cookie = this.#lastCookie;
    if (epollControl(this.#epoll, EPOLL_CTL_ADD, pidfd, epollEvent(cookie)) !== 0) throw failure('epoll_ctl');
    this.#watched.set(cookie, { pidfd, exited });
    this.#wait();
    return { [Symbol.dispose]: () => this.#remove(cookie) };
  }

  close(): void {
    this.#closed = true;
    this.#watched.clear();
    if (!this.#waiting) closeSync(this.#epoll);
  }

  #remove(cookie: number): void {
    const watched = this.#watched.get(cookie);
    if (watched === undefined) return;
    this.#watched.delete(cookie);
    epollControl(this.#epoll, EPOLL_CTL_DEL, watched.pidfd, epollEvent(cookie));
  }

  /** One call waits in a thread of the pool. It comes back each second so that the process can always end. */
  #wait(): void {
    if (this.#waiting || this.#watched.size === 0) return;
    this.#waiting = true;
    const events = Buffer.alloc(eventSize * batch);
    epollWait.async(this.#epoll, events, batch, 1000, (error: unknown, count: number) => {
      this.#waiting = false;
      if (this.#closed) return closeSync(this.#epoll);
      for (let i = 0; error === null && i < count; i++) this.#exited(events.readUInt32LE(i * eventSize + dataOffset));
      this.#wait();
    });
  }

  #exited(cookie: number): void {
    const watched = this.#watched.get(cookie);
    this.#remove(cookie);
    watched?.exited();
  }
}

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
const batch = 64;
/** struct epoll_event is packed on x86-64 only. */
const eventSize = process.arch === 'arm64' ? 16 : 12;
const dataOffset = eventSize - 8;

function epollEvent(cookie: number): Buffer {
  const event = Buffer.alloc(16);
  event.writeUInt32LE(EPOLLIN, 0);
  event.writeUInt32LE(cookie, dataOffset);
  return event;
}

const failure = (what: string): IdentityError =>
  new IdentityError('permission-denied', 'no identity issued', {
    reason: 'kernel-refused',
    cause: new Error(`${what}: ${koffi.os.errno[errnoName()] === undefined ? 'failed' : errnoName()}`),
  });

function errnoName(): string {
  const number = koffi.errno();
  return Object.entries(koffi.os.errno).find(([, value]) => value === number)?.[0] ?? `errno ${number}`;
}
