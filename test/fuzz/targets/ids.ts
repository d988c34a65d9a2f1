/** SPIFFE IDs, trust domain names and selectors. */
import { SpiffeId, TrustDomain } from '../../../src/spiffe/id.ts';
import { Selector } from '../../../src/spiffe/selector.ts';
import { promise, type Target, texts } from '../engine/target.ts';

export const ids = [
  'spiffe://example.org',
  'spiffe://example.org/a/b.c/-_9',
  'spiffe://a.b-c_d/..',
  'SPIFFE://',
  '%2e',
  '\u0000',
];

export const spiffeId: Target = {
  seeds: texts(
    ...ids,
    `spiffe://example.org/${'a'.repeat(2027)}`,
    `spiffe://${'a'.repeat(255)}/b`,
    'é',
    '?',
    '#',
    '@',
    ':443',
  ),
  run: (input) => {
    const text = input.toString('utf8');
    const id = SpiffeId.parse(text);
    promise(id === text, 'an ID is what was written');
    promise(`spiffe://${SpiffeId.trustDomain(id)}${SpiffeId.path(id)}` === id, 'its parts make the whole');
    promise(TrustDomain.parse(SpiffeId.trustDomain(id)) === SpiffeId.trustDomain(id), 'its trust domain is one');
    promise(/^spiffe:\/\/[a-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/.test(text), 'only the characters of the standard');
    promise(Buffer.byteLength(id) <= 2048, 'no longer than the standard says');
    promise(SpiffeId.path(SpiffeId.parseWorkload(text)) !== '', 'the ID of a workload has a path');
  },
};

export const trustDomain: Target = {
  seeds: texts(
    'example.org',
    'a',
    '1.2.3.4',
    'a_b-c.d',
    'spiffe://example.org',
    'Example.org',
    'x'.repeat(255),
    ':1',
    '/',
  ),
  run: (input) => {
    const text = input.toString('utf8');
    const name = TrustDomain.parse(text);
    promise(name === text, 'a name is what was written');
    promise(SpiffeId.trustDomain(SpiffeId.parse(TrustDomain.id(name))) === name, 'its ID names it');
  },
};

export const selector: Target = {
  seeds: texts('unix:uid:1000', 'unix:path:/usr/bin/x', 'k8s:pod-label:a:b', ':', 'unix:', '\n', '\u202e', '\u2028'),
  run: (input) => {
    const text = Selector.parse(input.toString('utf8'));
    promise(/^[a-z][a-z0-9_-]*:./su.test(text), 'a selector has a type and a value');
    promise(!/[\p{Cc}\u2028\u2029]/u.test(text), 'it stays on its line');
  },
};
