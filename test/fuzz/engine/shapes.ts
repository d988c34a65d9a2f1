/**
 * Mutations that know how an input is built: a field is exchanged and every length around it put right, so that what
 * lies deep inside is reached and not only the outermost check. What does not have the shape comes back undefined.
 */

import type { Random } from './random.ts';
import { mutateDer } from './shape-der.ts';
import { mutateJson } from './shape-json.ts';
import { mutateProtobuf } from './shape-protobuf.ts';

export type Shape = 'der' | 'json' | 'protobuf' | 'token';

/** Breaks a run of bytes that has no shape. */
export type Breaker = (bytes: Buffer) => Buffer;

export type ShapedMutation = (input: Buffer, other: Buffer, random: Random, scramble: Breaker) => Buffer | undefined;

export const shaped: Readonly<Record<Shape, ShapedMutation>> = {
  der: mutateDer,
  json: mutateJson,
  protobuf: mutateProtobuf,
  token: mutateToken,
};

/** base64url.base64url.base64url, the first two JSON. */
function mutateToken(input: Buffer, other: Buffer, random: Random, scramble: Breaker): Buffer | undefined {
  const parts = input.toString('latin1').split('.');
  const others = other.toString('latin1').split('.');
  if (parts.length < 2) return undefined;
  const at = random(parts.length);
  const [part, donor] = [parts[at] ?? '', others[at] ?? ''].map((text) => Buffer.from(text, 'base64url')) as [
    Buffer,
    Buffer,
  ];
  const mutated = (at < 2 ? mutateJson(part, donor, random, scramble) : undefined) ?? scramble(part);
  return Buffer.from(parts.with(at, mutated.toString('base64url')).join('.'), 'latin1');
}
