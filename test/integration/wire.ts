/**
 * The Workload API's messages, read and written here a second time from the field table of the specification and from
 * nothing else: these decoders judge the server, so they share no code with it (WA-08). An unknown field is an error.
 */

export interface X509SvidMessage {
  readonly spiffeId: string;
  readonly x509Svid: Buffer;
  readonly x509SvidKey: Buffer;
  readonly bundle: Buffer;
  readonly hint: string;
}
export interface X509SvidResponse {
  readonly svids: readonly X509SvidMessage[];
  readonly crl: readonly Buffer[];
  readonly federatedBundles: ReadonlyMap<string, Buffer>;
}
export interface BundlesResponse {
  readonly bundles: ReadonlyMap<string, Buffer>;
}
export interface JwtSvidMessage {
  readonly spiffeId: string;
  readonly svid: string;
  readonly hint: string;
}
export interface ValidateResponse {
  readonly spiffeId: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

export function decodeX509SvidResponse(bytes: Buffer): X509SvidResponse {
  const fields = read(bytes, { 1: 'bytes', 2: 'bytes', 3: 'bytes' });
  return {
    svids: fields.all(1).map((svid) => {
      const f = read(svid, { 1: 'bytes', 2: 'bytes', 3: 'bytes', 4: 'bytes', 5: 'bytes' });
      return {
        spiffeId: f.text(1),
        x509Svid: f.bytes(2),
        x509SvidKey: f.bytes(3),
        bundle: f.bytes(4),
        hint: f.text(5),
      };
    }),
    crl: fields.all(2),
    federatedBundles: map(fields.all(3)),
  };
}

export function decodeX509BundlesResponse(bytes: Buffer): BundlesResponse & { readonly crl: readonly Buffer[] } {
  const fields = read(bytes, { 1: 'bytes', 2: 'bytes' });
  return { crl: fields.all(1), bundles: map(fields.all(2)) };
}

export function decodeJwtSvidResponse(bytes: Buffer): { readonly svids: readonly JwtSvidMessage[] } {
  const svids = read(bytes, { 1: 'bytes' }).all(1);
  return {
    svids: svids.map((svid) => {
      const f = read(svid, { 1: 'bytes', 2: 'bytes', 3: 'bytes' });
      return { spiffeId: f.text(1), svid: f.text(2), hint: f.text(3) };
    }),
  };
}

export const decodeJwtBundlesResponse = (bytes: Buffer): BundlesResponse => ({
  bundles: map(read(bytes, { 1: 'bytes' }).all(1)),
});

export function decodeValidateResponse(bytes: Buffer): ValidateResponse {
  const fields = read(bytes, { 1: 'bytes', 2: 'bytes' });
  return { spiffeId: fields.text(1), claims: struct(fields.bytes(2)) };
}

export const encodeJwtSvidRequest = (audience: readonly string[], spiffeId = ''): Buffer =>
  Buffer.concat([...audience.map((value) => field(1, value)), spiffeId === '' ? Buffer.alloc(0) : field(2, spiffeId)]);

export const encodeValidateRequest = (audience: string, svid: string): Buffer =>
  Buffer.concat([
    audience === '' ? Buffer.alloc(0) : field(1, audience),
    svid === '' ? Buffer.alloc(0) : field(2, svid),
  ]);

/** One length-delimited field. */
export function field(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

type Wire = 'varint' | 'double' | 'bytes';
const wireTypes: Record<number, Wire> = { 0: 'varint', 1: 'double', 2: 'bytes' };

interface Fields {
  all(number: number): Buffer[];
  bytes(number: number): Buffer;
  text(number: number): string;
  has(number: number): boolean;
}

/** Reads one message of which `known` says every field; the last of a repeated singular field counts (proto3). */
function read(bytes: Buffer, known: Readonly<Record<number, Wire>>): Fields {
  const found = new Map<number, Buffer[]>();
  for (let at = 0; at < bytes.length; ) {
    const tag = readVarint(bytes, at);
    const number = tag.value >>> 3;
    const wire = wireTypes[tag.value & 7];
    if (wire === undefined || known[number] !== wire) throw new Error(`field ${number} as ${wire} is not in the table`);
    const { start, end } = extent(bytes, tag.end, wire);
    if (end > bytes.length) throw new Error(`field ${number} ends beyond its message`);
    found.set(number, [...(found.get(number) ?? []), bytes.subarray(start, end)]);
    at = end;
  }
  const last = (number: number): Buffer => found.get(number)?.at(-1) ?? Buffer.alloc(0);
  return {
    all: (number) => found.get(number) ?? [],
    bytes: last,
    text: (number) => last(number).toString('utf8'),
    has: (number) => found.has(number),
  };
}

function extent(bytes: Buffer, from: number, wire: Wire): { start: number; end: number } {
  if (wire === 'double') return { start: from, end: from + 8 };
  const number = readVarint(bytes, from);
  return wire === 'varint' ? { start: from, end: number.end } : { start: number.end, end: number.end + number.value };
}

function readVarint(bytes: Buffer, from: number): { value: number; end: number } {
  let value = 0;
  for (let at = from, factor = 1; at < bytes.length; at++, factor *= 128) {
    const byte = bytes[at] ?? 0;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return { value, end: at + 1 };
  }
  throw new Error('a number runs beyond its message');
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return Buffer.from([...bytes, left]);
    bytes.push((left % 128) | 0x80);
  }
}

function map(entries: readonly Buffer[]): ReadonlyMap<string, Buffer> {
  const pairs = entries.map((entry) => {
    const f = read(entry, { 1: 'bytes', 2: 'bytes' });
    return [f.text(1), f.bytes(2)] as const;
  });
  const all = new Map(pairs);
  if (all.size !== pairs.length) throw new Error('a map key occurs twice');
  return all;
}

/** google.protobuf.Struct */
function struct(bytes: Buffer): Record<string, unknown> {
  const pairs = map(read(bytes, { 1: 'bytes' }).all(1));
  return Object.fromEntries([...pairs].map(([key, value]) => [key, jsonOf(value)]));
}

function jsonOf(bytes: Buffer): unknown {
  const f = read(bytes, { 1: 'varint', 2: 'double', 3: 'bytes', 4: 'varint', 5: 'bytes', 6: 'bytes' });
  if (f.has(2)) return f.bytes(2).readDoubleLE();
  if (f.has(3)) return f.text(3);
  if (f.has(4)) return f.bytes(4)[0] === 1;
  if (f.has(5)) return struct(f.bytes(5));
  if (f.has(6)) return read(f.bytes(6), { 1: 'bytes' }).all(1).map(jsonOf);
  return null;
}
