/** JSON documents of other trust domains: strict JSON itself, JWK sets, bundles and maps of bundles. */
import { isDeepStrictEqual } from 'node:util';
import { formatBundle, formatJwks, parseBundle, parseJwks } from '../../../src/spiffe/bundle.ts';
import { formatBundleMap, parseBundleMap } from '../../../src/spiffe/bundle-map.ts';
import { TrustDomain } from '../../../src/spiffe/id.ts';
import { parseJson } from '../../../src/spiffe/json.ts';
import { FakeCa } from '../../fakes/ca.ts';
import { promise, type Target, texts } from '../engine/target.ts';
import { authorities } from './tokens.ts';

const trustDomain = TrustDomain.parse('example.org');
const own = {
  trustDomain,
  x509Authorities: [new FakeCa('example.org').certificate],
  jwtAuthorities: authorities,
  sequence: 7n,
  refreshHintSeconds: 300,
};

export const json: Target = {
  seeds: texts(
    '{"a":[1,-0.5e+3,true,false,null,"\\u00e9\\n"],"b":{"c":{}}}',
    ...['[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]', '"\\ud83d\\ude00"', '"\\ud800"', '18446744073709551616', '{"a":1,"a":2}'],
    ...['\ufeff{}', '{"__proto__":1}', '1e999', '01', '[1,]', '"\u0001"', 'é'],
  ),
  shape: 'json',
  run: (input) => {
    const value = parseJson(input);
    promise(isDeepStrictEqual(value, JSON.parse(input.toString('utf8'))), 'the same value as everywhere');
  },
};

export const jwks: Target = {
  seeds: texts(
    formatJwks(authorities),
    ...['"kid":"k1"', '"d":"AAAA"', '"kty":"oct"', '"use":"sig"', '{"keys":[]}', '"crv":"P-521"', '"alg":"ES256"'],
    ...['"key_ops":["verify"]', '"e":"AQAB"'],
  ),
  shape: 'json',
  run: (input) => {
    const parsed = parseJwks(trustDomain, input);
    promise(new Set(parsed.map(({ keyId }) => keyId)).size === parsed.length, 'key IDs are unique');
    promise(!formatJwks(parsed).includes('"d":'), 'no private member comes out');
  },
};

export const bundle: Target = {
  seeds: texts(
    formatBundle(own),
    ...['"spiffe_sequence":18446744073709551616', '"x5c":[]', '"use":"x509-svid"', '1e20', '"spiffe_refresh_hint":-1'],
  ),
  shape: 'json',
  run: (input) => {
    const text = formatBundle(parseBundle(trustDomain, input));
    promise(formatBundle(parseBundle(trustDomain, text)) === text, 'what is written is read back');
  },
};

export const bundleMap: Target = {
  seeds: texts(
    formatBundleMap([own]),
    '"trust_domains":{',
    '"example.org":',
    '{"keys":[]}',
    '{"trust_domains":{"__proto__":{}}}',
  ),
  shape: 'json',
  run: (input) => {
    const text = formatBundleMap([...parseBundleMap(input).values()]);
    promise(formatBundleMap([...parseBundleMap(text).values()]) === text, 'what is written is read back');
  },
};
