import { pick, type Random } from './random.ts';
import type { Breaker } from './shapes.ts';

/** An element as read leniently: one that holds others, or one that holds bytes. */
interface Node {
  tag: number;
  content: Buffer | Node[];
}

/** Deep enough for what certificates nest, octet strings included. */
const deepest = 24;
const tags = [
  1, 2, 3, 4, 5, 6, 0x0c, 0x13, 0x16, 0x17, 0x18, 0x30, 0x31, 0x80, 0x81, 0x82, 0x86, 0xa0, 0xa1, 0xa3, 0x24, 0,
];

export function mutateDer(input: Buffer, other: Buffer, random: Random, scramble: Breaker): Buffer | undefined {
  const roots = parse(input, deepest);
  if (roots === undefined) return undefined;
  const lists = listsIn(roots);
  const donors = [...listsIn(parse(other, deepest) ?? roots).flat(), { tag: 5, content: Buffer.alloc(0) }];
  for (let left = 1 + random(3); left > 0; left--) change(pick(lists, random), donors, random, scramble);
  return Buffer.concat(roots.map(write));
}

function change(list: Node[], donors: readonly Node[], random: Random, scramble: Breaker): void {
  const at = random(list.length + 1);
  const node = list[at];
  if (node === undefined) return void list.push(copy(pick(donors, random)));
  const changes: readonly (() => void)[] = [
    () => list.splice(at, 1),
    () => list.splice(at, 0, copy(node)),
    () => list.splice(at, 1, copy(pick(donors, random))),
    () => list.splice(at, 0, copy(pick(donors, random))),
    () => list.splice(random(list.length), 0, ...list.splice(at, 1)),
    () => Object.assign(node, { tag: pick(tags, random) }),
    () => Object.assign(node, { content: [{ ...node }] }),
    () => Object.assign(node, { content: Buffer.alloc(0) }),
    () =>
      Object.assign(node, {
        content: Buffer.isBuffer(node.content) ? scramble(node.content) : node.content.toReversed(),
      }),
    () => Object.assign(node, { content: Buffer.isBuffer(node.content) ? scramble(node.content) : node.content }),
  ];
  pick(changes, random)();
}

/** undefined where a part of it is no element; octet and bit strings are looked into where they hold some. */
function parse(bytes: Buffer, depth: number): Node[] | undefined {
  const nodes: Node[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [tag = 0, first = 0x80] = [bytes[at], bytes[at + 1]];
    const size = first < 0x80 ? 0 : first & 0x7f;
    if (first === 0x80 || size > 3 || at + 2 + size > bytes.length) return undefined;
    const start = at + 2 + size;
    const end = start + (size === 0 ? first : bytes.readUIntBE(at + 2, size));
    if (end > bytes.length) return undefined;
    const content = bytes.subarray(start, end);
    const within =
      depth > 0 && ((tag & 0x20) !== 0 || tag === 4) && content.length > 0 ? parse(content, depth - 1) : undefined;
    nodes.push({ tag, content: within ?? content });
    at = end;
  }
  return nodes;
}

function write({ tag, content }: Node): Buffer {
  const body = Buffer.isBuffer(content) ? content : Buffer.concat(content.map(write));
  const { length } = body;
  const size = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x1_0000 ? 2 : 3;
  const header = Buffer.alloc(2 + size);
  header[0] = tag;
  header[1] = size === 0 ? length : 0x80 | size;
  if (size > 0) header.writeUIntBE(length, 2, size);
  return Buffer.concat([header, body]);
}

const copy = ({ tag, content }: Node): Node => ({
  tag,
  content: Buffer.isBuffer(content) ? content : content.map(copy),
});

const listsIn = (nodes: Node[]): Node[][] => [
  nodes,
  ...nodes.flatMap(({ content }) => (Buffer.isBuffer(content) ? [] : listsIn(content))),
];
