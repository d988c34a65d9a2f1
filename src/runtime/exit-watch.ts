/** Ends of processes, told by the kernel (pidfd and epoll). */
import { closeSync } from 'node:fs';
import koffi from 'koffi';
import { failure } from './kernel.ts';

const libc = koffi.load('libc.so.6');
const epollCreate = libc.func('int epoll_create1(int)');
const epollControl = libc.func('int epoll_ctl(int, int, int, void *)');
const epollWait = libc.func('int epoll_wait(int, _Out_ uint8_t *, int, int)');
const eventfd = libc.func('int eventfd(unsigned int, int)');

const O_CLOEXEC = 0o2000000;

/** Says at once when a process exits. The kernel wakes one waiting call; nothing is polled. */
export class ExitWatch {
  readonly #epoll: number = epollCreate(O_CLOEXEC);
  /** By a number of our own: an event may arrive after its descriptor was closed and the same one given out again. */
  readonly #watched = new Map<number, { readonly pidfd: number; readonly exited: () => void }>();
  #lastCookie = 0;
  #waiting = false;
  #closed = false;
  #bell = -1;

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
    if (this.#waiting) this.#wake();
    else closeSync(this.#epoll);
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
      if (this.#closed) return this.#letGo();
      for (let i = 0; error === null && i < count; i++) this.#exited(events.readUInt32LE(i * eventSize + dataOffset));
      this.#wait();
    });
  }

  /** By a descriptor that is readable from the start: the waiting call comes back, and a process that ends need not wait. */
  #wake(): void {
    this.#bell = eventfd(1, O_CLOEXEC);
    epollControl(this.#epoll, EPOLL_CTL_ADD, this.#bell, epollEvent(0));
  }

  #letGo(): void {
    closeSync(this.#epoll);
    if (this.#bell >= 0) closeSync(this.#bell);
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
