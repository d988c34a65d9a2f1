/**
 * One HTTP/2 connection from its first byte to its last: what its caller may do, how long it may do nothing, and why it
 * was cut (R-NET-1, docs/decisions/0009-fair-under-flood.md).
 */
import http2 from 'node:http2';
import net from 'node:net';
import type { Duplex } from 'node:stream';
import { elapsed, systemClock } from './clock.ts';
import { feed } from './feed.ts';
import type { Member } from './roster.ts';
import { outliveStreams } from './session-handle.ts';
import { handleOf } from './socket-handle.ts';
import { flatten } from './stream-table.ts';
import { TokenBucket } from './token-bucket.ts';

/** Why we ended a connection. */
export type Cut = 'protocol-error' | 'flood' | 'silent' | 'no-greeting' | 'no-call' | 'idle' | 'goaway' | 'deaf';

/** What one user may use, asked before anything is done for a caller. */
export interface Allowance {
  /** Runs `work` now, or when it is this user's turn. */
  run(work: () => void): void;
  /** One more open call, or so many more bytes that are kept; negative gives back. @throws IdentityError when too many */
  keep(what: 'calls' | 'bytes', count: number): void;
  /** Told of each connection that we ended. */
  cut(reason: Cut): void;
}

/** For those who connect to a socket that is theirs alone. */
export const noLimit: Allowance = { run: (work) => work(), keep: () => undefined, cut: () => undefined };

/** Metadata of a call, counted as RFC 9113 section 6.5.2 does. Peers are told, and held to it. */
export const headerListBytes = 8 * 1024;
const headerListPairs = 64;
/** Megabytes that one connection may hold in nghttp2 and its queues; Node's default is 10. */
const sessionMegabytes = 4;
/** Until the caller's SETTINGS have come. */
const greetingMs = 10_000;
/** Until the first call. */
const firstCallMs = 60_000;
/** Without an open call. Clients of gRPC connect again by themselves, and unasked. */
const idleMs = 15 * 60_000;
/** After a GOAWAY, whoever sent it. */
const farewellMs = 1_000;
/** Of what was written, not a byte was read. */
const deafMs = 60_000;
/** Calls that a caller may give up before they are answered, and hang up, without being one who breaks things. */
const mostUnanswered = 16;
/** Calls given up unanswered. nghttp2 takes twice as many, and then ends the connection without a word to us. */
const givenUp = { most: 500, perSecond: 30 };
/** What may come without being of a call: settings, pings, windows. More comes from floods of whatever frames. */
const restBytes = { most: 256 * 1024, perSecond: 4 * 1024 };

export interface GrpcConnectionParts {
  readonly socket: Duplex;
  readonly allowance: Allowance;
  readonly streams: number;
  /** Largest message of a call. */
  readonly messageLimit: number;
  readonly window: number | undefined;
  readonly begin: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, raw: string[]) => void;
  readonly closed: () => void;
}

export class GrpcConnection implements Member {
  place = 0;
  readonly session: http2.ServerHttp2Session;
  readonly #parts: GrpcConnectionParts;
  /** When the caller last did what is expected of one. */
  #at = elapsed();
  #greeted = false;
  #called = false;
  /** Calls that ended without an answer. */
  #unanswered = 0;
  readonly #patience = new TokenBucket(givenUp, this.#at);
  #tried = false;
  #open = 0;
  #farewell: Disposable | undefined;
  /** Bytes that may still come before the next call, and when that was. */
  #rest = restBytes.most;
  #restAt = this.#at;
  /** Bytes that wait for the caller to read, and since when they are so many. */
  #unread = { bytes: 0, since: 0 };

  constructor(parts: GrpcConnectionParts) {
    this.#parts = parts;
    this.session = http2.performServerHandshake(parts.socket, {
      maxSessionMemory: sessionMegabytes,
      maxHeaderListPairs: headerListPairs,
      maxOutstandingPings: 8,
      settings: {
        ...this.#window(),
        maxConcurrentStreams: parts.streams,
        maxHeaderListSize: headerListBytes,
        enablePush: false,
      },
    });
    if (parts.window !== undefined) this.session.setLocalWindowSize(parts.window);
    flatten(this.session);
    outliveStreams(this.session);
    this.#listen();
    const { socket, allowance } = parts;
    feed(socket, this.session, { run: (work) => allowance.run(work), arrived: (bytes) => this.#arrived(bytes) });
  }

  /** Ends it if the caller has done nothing for too long. */
  look(now: number): void {
    const quietMs = now - this.#at;
    if (!this.#greeted && quietMs > greetingMs) this.#cut('no-greeting');
    else if (this.#open === 0 && !this.#called && quietMs > firstCallMs) this.#leave('no-call');
    else if (this.#open === 0 && quietMs > idleMs) this.#leave('idle');
    else if (this.#unreadMs(now) > deafMs) this.#cut('deaf');
  }

  #unreadMs(now: number): number {
    const { socket } = this.#parts;
    const bytes = socket instanceof net.Socket && !socket.destroyed ? handleOf(socket).writeQueueSize : 0;
    if (bytes === 0 || bytes !== this.#unread.bytes) this.#unread = { bytes, since: now };
    return now - this.#unread.since;
  }

  get #callBytes(): number {
    return headerListBytes + this.#parts.messageLimit;
  }

  /** Judged before the bytes are looked at, so that it does not matter which frames they are. */
  #arrived(bytes: number): boolean {
    // A bulk load is one call, and as long as it is.
    if (this.#parts.allowance === noLimit) return true;
    const now = elapsed();
    const most = restBytes.most + this.#open * this.#callBytes;
    this.#rest = Math.min(most, this.#rest + ((now - this.#restAt) * restBytes.perSecond) / 1000) - bytes;
    this.#restAt = now;
    const flood = this.#rest < 0 || this.#tried;
    if (flood) this.#cut('flood');
    return !flood;
  }

  #window(): { readonly initialWindowSize?: number } {
    return this.#parts.window === undefined ? {} : { initialWindowSize: this.#parts.window };
  }

  #listen(): void {
    const { session } = this;
    session.on('stream', (stream, headers, _flags, raw) => this.#begin(stream, headers, raw));
    session.once('remoteSettings', () => {
      this.#greeted = true;
      this.#at = elapsed();
    });
    // A protocol error of one caller is that caller's affair: its session ends, nothing else does.
    session.on('error', (error) => this.#cut(this.#reasonOf(error)));
    session.on('goaway', () => this.#leave());
    session.once('close', () => {
      this.#farewell?.[Symbol.dispose]();
      this.#parts.closed();
    });
  }

  #begin(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, raw: string[]): void {
    // Also of one that was reset, or whose connection ended, in the same piece of bytes.
    stream.on('error', () => undefined);
    this.#called = true;
    this.#rest += this.#callBytes;
    if (stream.destroyed || stream.closed) {
      this.#gaveUp();
      return;
    }
    this.#open += 1;
    stream.once('close', () => {
      this.#open -= 1;
      this.#at = elapsed();
      if (!stream.headersSent) this.#gaveUp();
    });
    this.#parts.begin(stream, headers, raw);
  }

  #gaveUp(): void {
    this.#unanswered += 1;
    if (!this.#patience.take(elapsed())) this.#tried = true;
  }

  /**
   * nghttp2 names a peer that makes it queue without end. The GOAWAY of gRPC for Go, when it hangs up, names a stream that
   * was never ours, which breaks HTTP/2 as well: whoever was answered has hung up.
   */
  #reasonOf(error: Error & { readonly code?: string }): Cut {
    if (/flood|too many/i.test(`${error.message} ${error.code}`)) return 'flood';
    return this.#called && this.#unanswered < mostUnanswered ? 'goaway' : 'protocol-error';
  }

  /** No more calls; what is open may end, but not for long. */
  #leave(reason: Cut = 'goaway'): void {
    if (this.#farewell !== undefined || this.session.destroyed) return;
    if (reason !== 'goaway') this.#parts.allowance.cut(reason);
    this.session.close();
    this.#farewell = systemClock.after(farewellMs, () => this.#cut('goaway'));
  }

  #cut(reason: Cut): void {
    if (!this.session.destroyed || reason !== 'goaway') this.#parts.allowance.cut(reason);
    this.session.destroy();
    this.#parts.socket.destroy();
  }
}
