/**
 * Who is at the other end of a connection: facts of the kernel, never text from the caller (R-PEER-1, R-PEER-2).
 * A process is learned once; what proves it is kept open, so that asking "still the same?" costs some ten microseconds.
 */
import { closeSync } from 'node:fs';
import { uptime } from 'node:os';
import { IdentityError } from '../errors.ts';
import { ExitWatch } from './exit-watch.ts';
import { failpoint } from './failpoint.ts';
import {
  fileIdentity,
  isAlive,
  openBelow,
  openProcessDirectory,
  type PeerCredentials,
  peerCredentials,
  peerPidfd,
  pidfdOpen,
  readLinkBelow,
  sameFile,
} from './kernel.ts';
import { readStatus, startTimeOf } from './proc-files.ts';
import { findIdLines, isTraced, type ProcessIds, parseIds } from './proc-text.ts';
import { assertSight } from './sight.ts';

/** `traced`: the same, but under the control of a debugger, which writes its memory and its registers. */
export type Sameness = 'same' | 'traced' | 'gone' | 'changed';

/** Why a process is no longer the one that it was. */
export type Ending = 'exited' | 'changed';

/** One running process, pinned by a pidfd: its pid cannot be another's while this is alive. */
export class PeerProcess {
  readonly pid: number;
  /** Clock ticks after boot at which it started (field 22 of /proc/PID/stat). */
  readonly startTime: bigint;
  readonly ids: ProcessIds;
  readonly #pidfd: number;
  readonly #directory: number;
  readonly #status: number;
  readonly #executable: Buffer;
  readonly #idLines: Buffer;
  readonly #ended = new Set<(why: Ending) => void>();
  #watch: Disposable | undefined;
  #holders = 0;
  #closed = false;
  #changed = false;

  /** Takes over `pidfd`. Every read of /proc is bracketed by proof that the pidfd's process still lives. */
  constructor(pid: number, pidfd: number) {
    const opened: number[] = [pidfd];
    try {
      const keep = (fd: number): number => opened[opened.push(fd) - 1] as number;
      this.pid = pid;
      this.#pidfd = pidfd;
      failpoint('peer.pinned');
      this.#directory = keep(openProcessDirectory(pid));
      this.#status = keep(openBelow(this.#directory, 'status'));
      this.startTime = startTimeOf(this.#directory);
      failpoint('peer.half-learned');
      this.#executable = fileIdentity(this.#directory, 'exe');
      this.#idLines = Buffer.from(findIdLines(readStatus(this.#status)));
      this.ids = parseIds(this.#idLines);
      if (!isAlive(pidfd)) throw refused('peer-gone');
    } catch (error) {
      const hidden = isAlive(pidfd) && error instanceof IdentityError && error.reason === 'kernel-refused';
      for (const fd of opened) closeSync(fd);
      throw hidden ? unseen(pid, error) : error;
    }
  }

  /** Is it alive, and still the program and the user that it was? Its start time cannot change while the pidfd lives. */
  sameness(): Sameness {
    if (this.#closed || !isAlive(this.#pidfd)) return 'gone';
    if (this.#changed) return 'changed';
    try {
      const status = readStatus(this.#status);
      const same = sameFile(this.#directory, 'exe', this.#executable) && findIdLines(status).equals(this.#idLines);
      if (same) return isTraced(status) ? 'traced' : 'same';
    } catch {
      // /proc answers ESRCH once the process is gone: told apart below.
    }
    if (!isAlive(this.#pidfd)) return 'gone';
    this.#changed = true;
    // Whoever asked answers its caller first.
    setImmediate(() => this.#end('changed'));
    return 'changed';
  }

  /**
   * May one more connection share what is known of this process? A cheaper question than `sameness`, which is asked all
   * the same before anything is sent; whoever was found changed once is learned anew.
   */
  covers(credentials: PeerCredentials): boolean {
    if (this.#closed || this.#changed || !this.connectedAs(credentials)) return false;
    return isAlive(this.#pidfd) && sameFile(this.#directory, 'exe', this.#executable);
  }

  /** Is it, as what it was learned, whom the kernel wrote down when it connected: that user, in those groups? */
  connectedAs({ uid, gid, supplementaryGids }: PeerCredentials): boolean {
    const own = this.ids.supplementaryGids;
    const sameGroups = own.length === supplementaryGids.length && own.every((id, at) => id === supplementaryGids[at]);
    return uid === this.ids.uid && gid === this.ids.gid && sameGroups;
  }

  /** The executable's path as the kernel names it. */
  executablePath(): string {
    return readLinkBelow(this.#directory, 'exe');
  }

  /** The executable that was learned, opened for reading; what the process has become since is not taken for it. */
  openExecutable(): number {
    const fd = openBelow(this.#directory, 'exe');
    if (sameFile(fd, '', this.#executable)) return fd;
    closeSync(fd);
    throw refused('peer-changed');
  }

  /** The same bytes as `path` in our own view of the file system? A mount namespace can call anything by any name. */
  isExecutable(path: string): boolean {
    try {
      return sameFile(-100, path, this.#executable);
    } catch {
      return false;
    }
  }

  /** Calls `listener` once when the process has ended, or was found to be another program or user than it was. */
  onEnded(listener: (why: Ending) => void): Disposable {
    this.#ended.add(listener);
    return { [Symbol.dispose]: () => void this.#ended.delete(listener) };
  }

  watchExit(exits: ExitWatch): void {
    this.#watch ??= exits.add(this.#pidfd, () => this.#end('exited'));
  }

  /** Is somebody still interested in it? What was closed is never opened again. */
  get held(): boolean {
    return !this.#closed;
  }

  retain(): void {
    this.#holders += 1;
  }

  /** Gives back one hold; true when it was the last and every descriptor has been closed. */
  release(): boolean {
    this.#holders -= 1;
    if (this.#holders > 0 || this.#closed) return false;
    this.close();
    return true;
  }

  #end(why: Ending): void {
    const listeners = [...this.#ended];
    this.#ended.clear();
    for (const listener of listeners) listener(why);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch?.[Symbol.dispose]();
    for (const fd of [this.#status, this.#directory, this.#pidfd]) closeSync(fd);
  }
}

/** A connection's other end: the process, and the ids it had when it called connect(2). */
export interface Peer {
  readonly process: PeerProcess;
  readonly credentials: PeerCredentials;
}

/** Knows the process of every open connection, once each. */
export class Peers {
  readonly #exits: ExitWatch | undefined;
  readonly #processes = new Map<number, PeerProcess>();

  /** @param watchExits whether `onEnded` is asked for: watching takes a thread of the pool */
  constructor({ watchExits }: { readonly watchExits: boolean }) {
    assertSight();
    this.#exits = watchExits ? new ExitWatch() : undefined;
  }

  /** Learns who connected on the accepted descriptor; throws when the kernel cannot say so beyond doubt. */
  accept(socket: number): Peer {
    const credentials = peerCredentials(socket);
    const pidfd = peerPidfd(socket);
    if (credentials.pid === 0 || credentials.uid === overflowId) {
      closeSync(pidfd);
      throw refused('peer-outside-our-namespaces');
    }
    const process = this.#process(credentials, pidfd);
    if (process.connectedAs(credentials)) return { process, credentials };
    // It connected as one user and is another now: it has become a setuid program, say, and left the connection to others.
    this.release(process);
    throw refused('peer-changed');
  }

  /** Gives back one hold on a process: the one that `accept` took, or one of `retain`. True for the last, which closes it. */
  release(process: PeerProcess): boolean {
    const last = process.release();
    if (last && this.#processes.get(process.pid) === process) this.#processes.delete(process.pid);
    return last;
  }

  close(): void {
    this.#exits?.close();
    for (const process of this.#processes.values()) process.close();
    this.#processes.clear();
  }

  /** Two living processes cannot share a pid: a known living one with the pid of a living peer is that peer. */
  #process(credentials: PeerCredentials, pidfd: number): PeerProcess {
    const { pid } = credentials;
    const known = this.#processes.get(pid);
    const same = known !== undefined && isAlive(pidfd) && known.covers(credentials);
    if (same) closeSync(pidfd);
    const process = same ? known : this.#learn(pid, pidfd);
    process.retain();
    return process;
  }

  #learn(pid: number, pidfd: number): PeerProcess {
    const process = new PeerProcess(pid, pidfd);
    try {
      if (this.#exits !== undefined) process.watchExit(this.#exits);
    } catch (error) {
      process.close();
      throw error;
    }
    this.#processes.set(pid, process);
    return process;
  }
}

/** A process that an operator names, to look at it once; the caller closes it. */
export const inspectProcess = (pid: number): PeerProcess => new PeerProcess(pid, pidfdOpen(pid));

/** USER_HZ, in which /proc counts: 100 on every architecture that we run on. */
const ticksPerSecond = 100;

/** When the process started, in milliseconds since the epoch, as well as the wall clock knows. */
export const startedAt = (process: PeerProcess, now: number): number =>
  now - uptime() * 1000 + (Number(process.startTime) * 1000) / ticksPerSecond;

/** /proc/sys/kernel/overflowuid: what the kernel shows for ids that have no name in our user namespace. */
const overflowId = 65534;

const refused = (reason: string): IdentityError =>
  new IdentityError('permission-denied', 'no identity issued', { reason });

/** It lives, and yet /proc says nothing of it to us: nothing that the caller could mend. */
function unseen(pid: number, cause: IdentityError): IdentityError {
  const advice = 'mayfly needs CAP_SYS_PTRACE, and a /proc that hides nothing from it (hidepid)';
  const why = new Error(`/proc does not show process ${pid}, which is alive: ${advice}`, { cause });
  return new IdentityError('permission-denied', 'no identity issued', { reason: 'peer-hidden', cause: why });
}
