import { pick, type Random } from './random.ts';
import type { Breaker } from './shapes.ts';

/** A field as the wire has it; bytes that read as fields themselves are taken for a message. */
interface Field {
  number: number;
  wire: 0 | 1 | 2 | 5;
  /** Of varints the bytes as they stand, so that overlong ones can be made. */
  content: Buffer | Field[];
}

const deepest = 12;
const oddNumbers = [
  '00',
  '01',
  '7f',
  '8001',
  'ffffffff0f',
  'ffffffffffffffffff01',
  'ffffffffffffffff7f',
  '808080808080808080808001',
];

export function mutateProtobuf(input: Buffer, other: Buffer, random: Random, scramble: Breaker): Buffer | undefined {
  const fields = parse(input, deepest);
  if (fields === undefined) return undefined;
  const lists = listsIn(fields);
  const empty: Field = { number: 1, wire: 2, content: Buffer.alloc(0) };
  const donors = [...listsIn(parse(other, deepest) ?? fields).flat(), empty];
  for (let left = 1 + random(3); left > 0; left--) change(pick(lists, random), donors, random, scramble);
  return Buffer.concat(fields.map(write));
}

function change(list: Field[], donors: readonly Field[], random: Random, scramble: Breaker): void {
  const index = random(list.length + 1);
  const field = list[index];
  if (field === undefined) return void list.push(copy(pick(donors, random)));
  const { content } = field;
  const changes: readonly (() => void)[] = [
    () => list.splice(index, 1),
    () => list.push(...Array.from({ length: 1 << random(8) }, () => copy(field))),
    () => list.splice(index, 1, copy(pick(donors, random))),
    () =>
      Object.assign(field, { number: pick([1, 2, 3, 4, 5, 15, 16, 19_000, 536_870_911, field.number + 1], random) }),
    () => Object.assign(field, { wire: 0, content: Buffer.from(pick(oddNumbers, random), 'hex') }),
    () => Object.assign(field, { wire: 2, content: scramble(Buffer.isBuffer(content) ? content : Buffer.alloc(8, 1)) }),
    () => Object.assign(field, { wire: 2, content: [copy(field)] }),
    () => Object.assign(field, { wire: pick([0, 1, 2, 5], random) }),
  ];
  pick(changes, random)();
}

function parse(bytes: Buffer, depth: number): Field[] | undefined {
  const fields: Field[] = [];
  for (let at = 0; at < bytes.length; ) {
    const key = varint(bytes, at);
    if (key === undefined || key.value < 8) return undefined;
    const wire = (key.value & 7) as Field['wire'];
    const size = wire === 2 ? varint(bytes, key.end) : undefined;
    const start = wire === 2 ? size?.end : key.end;
    const end =
      wire === 0 ? varint(bytes, key.end)?.end : wire === 1 ? key.end + 8 : wire === 5 ? key.end + 4 : endOf(size);
    if (start === undefined || end === undefined || end > bytes.length || ![0, 1, 2, 5].includes(wire))
      return undefined;
    const content = bytes.subarray(start, end);
    const within = wire === 2 && depth > 0 && content.length > 1 ? parse(content, depth - 1) : undefined;
    fields.push({ number: key.value >>> 3, wire, content: within ?? content });
    at = end;
  }
  return fields;
}

const endOf = (size: { value: number; end: number } | undefined): number | undefined => size && size.end + size.value;

function varint(bytes: Buffer, at: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, end: at + i + 1 };
  }
  return undefined;
}

function write({ number, wire, content }: Field): Buffer {
  const body = Buffer.isBuffer(content) ? content : Buffer.concat(content.map(write));
  const key = encodeVarint(number * 8 + wire);
  return Buffer.concat(wire === 2 ? [key, encodeVarint(body.length), body] : [key, body]);
}

function encodeVarint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) | 0x80);
  return Buffer.from([...bytes, left]);
}

const copy = ({ number, wire, content }: Field): Field => ({
  number,
  wire,
  content: Buffer.isBuffer(content) ? content : content.map(copy),
});

const listsIn = (fields: Field[]): Field[][] => [
  fields,
  ...fields.flatMap(({ content }) => (Buffer.isBuffer(content) ? [] : listsIn(content))),
];
