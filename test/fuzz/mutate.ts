/** Makes hostile inputs of honest ones. Everything follows from one number, so that a run can be repeated. */

export type Random = (below: number) => number;

/** xorshift32: fast, and good enough to choose where to break something. */
export function randomOf(seed: number): Random {
  let state = seed | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const longest = 64 * 1024;

/** Values at which counting goes wrong, and characters at which parsing does. */
const bytes = Buffer.from('000102097f80818283feff0a0d20222e2f3a5b5c5d7b7d2a26402d3c3e3d2b3025', 'hex');

const brackets = [
  ['[', ']'],
  ['{"a":', '}'],
  ['\x30\x80', ''],
  ['- ', ''],
  ['&a [', ']'],
] as const;

type Mutation = (input: Buffer, random: Random, pool: readonly Buffer[]) => Buffer;

const cut = (input: Buffer, random: Random): [number, number] => {
  const start = random(input.length + 1);
  return [start, Math.min(input.length, start + 1 + random(random(8) === 0 ? input.length + 1 : 16))];
};

/** Puts `piece` in the place of what lies between. */
const splice = (input: Buffer, start: number, end: number, piece: Buffer): Buffer =>
  Buffer.concat([input.subarray(0, start), piece, input.subarray(end)]);

const mutations: readonly Mutation[] = [
  function flipBit(input, random) {
    const out = Buffer.from(input);
    const at = random(out.length || 1);
    if (out.length > 0) out[at] = (out[at] ?? 0) ^ (1 << random(8));
    return out;
  },
  function setByte(input, random) {
    const out = Buffer.from(input);
    if (out.length > 0) out[random(out.length)] = random(2) === 0 ? random(256) : (bytes[random(bytes.length)] ?? 0);
    return out;
  },
  function insertBytes(input, random) {
    const piece = Buffer.from(Array.from({ length: 1 + random(4) }, () => bytes[random(bytes.length)] ?? 0));
    const at = random(input.length + 1);
    return splice(input, at, at, piece);
  },
  (input, random) => splice(input, ...cut(input, random), Buffer.alloc(0)),
  function repeat(input, random) {
    const [start, end] = cut(input, random);
    const piece = input.subarray(start, end);
    const times = random(16) === 0 ? Math.floor(longest / 2 / (piece.length || 1)) : 1 + random(8);
    return splice(input, end, end, Buffer.concat(Array.from({ length: times }, () => piece)));
  },
  function exchange(input, random, pool) {
    const other = pool[random(pool.length)] ?? input;
    const [start, end] = cut(other, random);
    return splice(input, ...cut(input, random), other.subarray(start, end));
  },
  (input, random) => input.subarray(0, random(input.length + 1)),
  /** Nesting, the classic of parsers that call themselves. */
  function nest(input, random) {
    const bracket = brackets[random(brackets.length)] as readonly [string, string];
    const depth = 1 + random(random(4) === 0 ? 8_000 : 16);
    const [start, end] = cut(input, random);
    const [open, close] = bracket.map((text) => Buffer.from(text.repeat(depth), 'latin1')) as [Buffer, Buffer];
    return splice(input, start, end, Buffer.concat([open, input.subarray(start, end), close]));
  },
];

export function mutate(pool: readonly Buffer[], random: Random): Buffer {
  let input = pool[random(pool.length)] ?? Buffer.alloc(0);
  for (let left = 1 + random(6); left > 0; left--) {
    input = mutations[random(mutations.length)]?.(input, random, pool) ?? input;
    if (input.length > longest) input = input.subarray(0, longest);
  }
  return input;
}
