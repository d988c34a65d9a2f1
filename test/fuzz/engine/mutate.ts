/** Makes hostile inputs of honest ones. */
import { pick, type Random } from './random.ts';
import { shaped } from './shapes.ts';
import type { Target } from './target.ts';

type Built = Pick<Target, 'shape' | 'prefix'>;

export const longest = 64 * 1024;

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
  renumber,
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

/** A number in the text becomes one at which counting goes wrong. */
function renumber(input: Buffer, random: Random): Buffer {
  const text = input.toString('latin1');
  const numbers = [...text.matchAll(/\d+/g)];
  const found = numbers[random(numbers.length || 1)];
  if (found === undefined) return input;
  return splice(input, found.index, found.index + found[0].length, Buffer.from(pick(oddNumbers, random)));
}

const oddNumbers = [
  '0',
  '00',
  '-1',
  '1e9',
  '255',
  '256',
  '65536',
  '2147483648',
  '4294967296',
  '9007199254740993',
  '9'.repeat(40),
];

/** Some steps away from one of the pool, half of them by its shape. */
export function mutate(pool: readonly Buffer[], random: Random, { shape, prefix = 0 }: Built, mostSteps = 5): Buffer {
  const scramble = (bytes: Buffer): Buffer => pick(mutations, random)(bytes, random, pool);
  // What was found last is what nobody has tried to break yet.
  const recent = random(3) === 0 ? Math.max(0, pool.length - 16) : 0;
  let input = pool[recent + random(pool.length - recent)] ?? Buffer.alloc(0);
  for (let left = 1 + random(mostSteps); left > 0; left--) {
    const byShape = shape !== undefined && random(2) === 0 ? shaped[shape] : undefined;
    const body = byShape?.(input.subarray(prefix), pick(pool, random).subarray(prefix), random, scramble);
    input = body === undefined ? scramble(input) : Buffer.concat([input.subarray(0, prefix), body]);
    if (input.length > longest) input = input.subarray(0, longest);
  }
  return input;
}
