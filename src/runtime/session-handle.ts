/** What Node has under an HTTP/2 session and keeps to itself; in one place, for the day on which Node is another. */
import type http2 from 'node:http2';

export interface SessionHandle {
  /** Looks at bytes of the peer. */
  receive(bytes: Buffer): void;
}

/** Absent once the session is destroyed. */
export function handleOfSession(session: http2.Http2Session): SessionHandle | undefined {
  return Reflect.get(session, keyOf(session)) as SessionHandle | undefined;
}

/** Turns of the event loop in which Node lets go of the streams of a session that has ended; more than it takes. */
const turns = 8;

/**
 * Keeps the handle until Node has let go of the session's streams, which it does in a later turn than of the session. A
 * stream whose headers were refused holds memory that is counted as the session's: were that collected first, Node would
 * find its count wrong and abort (`current_nghttp2_memory_`, node_http2.cc). Header blocks that unpack to more than is
 * taken brought that about, one in some thirty (test/flood: HPACK bomb).
 */
export function outliveStreams(session: http2.Http2Session): void {
  const handle = handleOfSession(session);
  session.once('close', () => keep(handle, turns));
}

function keep(handle: unknown, left: number): void {
  if (left > 0) setImmediate(keep, handle, left - 1);
}

let known: symbol | undefined;

function keyOf(session: http2.Http2Session): symbol {
  known ??= Object.getOwnPropertySymbols(session).find(({ description }) => description === 'kHandle');
  if (known === undefined) throw new TypeError('this Node keeps the handle of an HTTP/2 session elsewhere');
  return known;
}
