/** Messages and documents that open more than a stack can hold: each is refused like any other that is malformed. */

import { Broken } from '../broken.ts';
import type { Work } from '../lane.ts';
import { callAsStranger } from '../stranger.ts';

/** As deep as fits into what is taken at all. */
const depths = [50, 500, 5_000, 15_000, 28_000];
/** OK, INVALID_ARGUMENT, PERMISSION_DENIED, RESOURCE_EXHAUSTED, UNIMPLEMENTED; or the connection is cut. */
const decent = new Set(['', '0', '3', '7', '8', '12']);

const base64url = (text: string): string => Buffer.from(text).toString('base64url');
const header = base64url('{"alg":"ES256","kid":"x","typ":"JWT"}');
const tokenOf = (head: string, payload: string): string => `${head}.${payload}.${'A'.repeat(86)}`;
const field = (number: number, text: string): Buffer => {
  const bytes = Buffer.from(text);
  const length = [];
  for (let left = bytes.length; ; left >>>= 7) {
    length.push(left > 127 ? (left & 127) | 128 : left);
    if (left <= 127) break;
  }
  return Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes]);
};
const validate = (token: string): Buffer => Buffer.concat([field(1, 'db'), field(2, token)]);

const bombs: readonly { readonly name: string; readonly method: string; readonly of: (depth: number) => Buffer }[] = [
  {
    name: 'lists in a header',
    method: 'ValidateJWTSVID',
    of: (d) => validate(tokenOf(base64url('['.repeat(d)), 'e30')),
  },
  {
    name: 'objects in a header',
    method: 'ValidateJWTSVID',
    of: (d) => validate(tokenOf(base64url('{"a":'.repeat(d / 5)), 'e30')),
  },
  {
    name: 'lists in claims',
    method: 'ValidateJWTSVID',
    of: (d) => validate(tokenOf(header, base64url('['.repeat(d)))),
  },
  {
    name: 'closed lists in claims',
    method: 'ValidateJWTSVID',
    of: (d) => validate(tokenOf(header, base64url(`{"aud":${'['.repeat(d / 2)}${']'.repeat(d / 2)}}`))),
  },
  {
    name: 'objects in claims',
    method: 'ValidateJWTSVID',
    of: (d) => validate(tokenOf(header, base64url(`${'{"a":'.repeat(d / 6)}1${'}'.repeat(d / 6)}`))),
  },
  { name: 'dots', method: 'ValidateJWTSVID', of: (d) => validate('.'.repeat(d)) },
  { name: 'groups that open', method: 'FetchX509SVID', of: (d) => Buffer.alloc(d, 0x0b) },
  {
    name: 'groups that open and close',
    method: 'FetchJWTSVID',
    of: (d) => Buffer.concat([Buffer.alloc(d / 2, 0x7b), Buffer.alloc(d / 2, 0x7c)]),
  },
  {
    name: 'groups beside an audience',
    method: 'FetchJWTSVID',
    of: (d) => Buffer.concat([field(1, 'db'), Buffer.alloc(d, 0x13)]),
  },
  { name: 'messages within messages', method: 'FetchX509Bundles', of: (d) => within(d) },
  {
    name: 'an ID of slashes',
    method: 'FetchJWTSVID',
    of: (d) => Buffer.concat([field(1, 'db'), field(2, `spiffe://example.org${'/a'.repeat(d / 2)}`)]),
  },
  {
    name: 'many audiences',
    method: 'FetchJWTSVID',
    of: (d) => Buffer.concat(Array.from({ length: d / 4 }, () => field(1, 'a'))),
  },
];

/** Each one the content of the one around it; 60 KiB is what is taken. */
function within(depth: number): Buffer {
  let inner: Buffer = Buffer.alloc(0);
  for (let at = 0; at < depth && inner.length < 60_000; at++)
    inner = field(1, inner.toString('latin1').slice(0, 30_000));
  return inner;
}

export const nest =
  (rounds: number): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    await scene.start();
    for (let round = 0; round < rounds && !lane.over; round++) {
      for (const { name, method, of } of scene.chance.shuffled(bombs)) {
        for (const depth of depths) {
          const status = await callAsStranger(scene.socket, method, of(depth + scene.chance.below(50)));
          tally.inject(22, name);
          tally.check('I12');
          if (!decent.has(status)) throw new Broken(`${name}, ${depth} deep: status ${status}`, 'I12');
          if (!scene.alive) throw new Broken(`${name}, ${depth} deep: it ended`, 'I11');
        }
      }
      if (!(await scene.operator.anything())) await scene.operator.look();
    }
  };
