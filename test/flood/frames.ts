/** HTTP/2 as a hostile caller writes it: frames by hand, headers as literals, nothing checked (RFC 9113, RFC 7541). */
export const type = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const flag = { endStream: 1, ack: 1, endHeaders: 4 } as const;

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export function frame(kind: number, flags: number, stream: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(9 + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = kind;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, 9);
  return bytes;
}

export const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** Pairs of identifier and value. */
export const settings = (...pairs: readonly (readonly [number, number])[]): Buffer =>
  frame(
    type.settings,
    0,
    0,
    Buffer.concat(pairs.map(([id, value]) => Buffer.concat([Buffer.from([0, id]), uint32(value)]))),
  );
export const setting = { headerTableSize: 1, initialWindowSize: 4 } as const;

/** A field that enters the dynamic table, or one that does not. */
export const field = (name: string, value: string, indexed = false): Buffer =>
  Buffer.concat([Buffer.from([indexed ? 0x40 : 0]), text(name), text(value)]);

/** A reference to an entry of the static or dynamic table. */
export const indexed = (index: number): Buffer => Buffer.from([0x80 | index]);

/** RFC 7541 section 5.2, not Huffman-coded; the length as an integer with a prefix of seven bits. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const length: number[] = [];
  let rest = bytes.length;
  if (rest < 127) length.push(rest);
  else {
    length.push(127);
    for (rest -= 127; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** Header blocks of one method: the first fills the dynamic table of a connection, the next only refer to it. */
export function callBlocks(path: string): { readonly first: Buffer; readonly next: Buffer } {
  const fields = [
    ['workload.spiffe.io', 'true'],
    ['te', 'trailers'],
    ['content-type', 'application/grpc'],
    [':authority', 'localhost'],
    [':path', path],
  ] as const;
  const fixed = [indexed(3), indexed(6)]; // :method POST, :scheme http
  return {
    first: Buffer.concat([...fixed, ...[...fields].reverse().map(([name, value]) => field(name, value, true))]),
    // The newest entry of the dynamic table has index 62. Pseudo-headers come first, so the oldest go first.
    next: Buffer.concat([...fixed, ...fields.map((_, at) => indexed(61 + fields.length - at))]),
  };
}

/** An empty gRPC message. */
export const emptyMessage: Buffer = Buffer.alloc(5);
