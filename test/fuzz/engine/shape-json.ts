import { pick, type Random } from './random.ts';
import type { Breaker } from './shapes.ts';

type Value = unknown;
/** A place in a document: what holds it, and under which name. */
type Place = readonly [holder: Record<string, Value> | Value[], name: string | number];

const oddValues: readonly Value[] = [
  ...[null, true, false, 0, -0, -1, 1, 0.5, 1e21, 2 ** 31, 2 ** 32, 2 ** 53, 253_402_300_800, 1e-7],
  ...[
    '',
    ' ',
    '*',
    'none',
    '\u0000',
    '\u202e',
    '\ud800',
    '__proto__',
    'spiffe://example.org/web',
    '../..',
    'A'.repeat(3000),
  ],
  ...[[], {}, [[]], [null], ['', ''], { a: 1 }],
];

export function mutateJson(input: Buffer, other: Buffer, random: Random, scramble: Breaker): Buffer | undefined {
  const [document, donor] = [input, other].map(parse);
  if (document === undefined) return undefined;
  const root = [document];
  const donors = donor === undefined ? oddValues : placesIn([donor]).map(at);
  for (let left = 1 + random(3); left > 0 && root.length > 0; left--) {
    change(
      pick(placesIn(root), random),
      () => structuredClone(pick(random(3) === 0 ? oddValues : donors, random)),
      random,
      scramble,
    );
  }
  return Buffer.from(JSON.stringify(root[0]) ?? 'null');
}

function change([holder, name]: Place, odd: () => Value, random: Random, scramble: Breaker): void {
  const value = at([holder, name]);
  const put = (replacement: Value): void => void Reflect.set(holder, name, replacement);
  const changes: readonly (() => void)[] = [
    () => put(odd()),
    () => put([value]),
    () => put(Array.isArray(value) ? [...value, ...value] : [value, value]),
    () =>
      put(
        typeof value === 'string'
          ? scramble(Buffer.from(value)).toString(random(2) === 0 ? 'utf8' : 'latin1')
          : String(value),
      ),
    () => put(typeof value === 'number' ? value + pick([1, -1, 0.5, 1e10], random) : odd()),
    () => (Array.isArray(holder) ? void holder.splice(Number(name), 1) : void delete holder[name]),
    () =>
      Array.isArray(holder)
        ? void holder.push(odd())
        : void Reflect.set(holder, `${name}${pick(['', ' ', '_', '2'], random)}`, odd()),
    () => (Array.isArray(holder) ? void holder.reverse() : void Reflect.set(holder, pick(names, random), value)),
  ];
  pick(changes, random)();
}

const names = [
  'kid',
  'kty',
  'use',
  'alg',
  'd',
  'x5c',
  'keys',
  'crit',
  'sub',
  'aud',
  'exp',
  'nbf',
  'iat',
  'owner',
  'selectors',
];

/** Half a thousand levels are enough to exchange parts in; deeper ones are for mutations that know no shape. */
function parse(bytes: Buffer): Value | undefined {
  try {
    const value: Value = JSON.parse(bytes.toString('utf8'));
    return JSON.stringify(value).includes('['.repeat(500)) ? undefined : structuredClone(value);
  } catch {
    return undefined;
  }
}

const at = ([holder, name]: Place): Value => Reflect.get(holder, name);

function placesIn(holder: Record<string, Value> | Value[], depth = 64): Place[] {
  return Object.entries(holder).flatMap(([name, value]) => {
    const place: Place = [holder, Array.isArray(holder) ? Number(name) : name];
    return isHolder(value) && depth > 0 ? [place, ...placesIn(value, depth - 1)] : [place];
  });
}

const isHolder = (value: Value): value is Record<string, Value> | Value[] =>
  typeof value === 'object' && value !== null;
