/** IDs, selectors, entries, tokens, key sets and bundles. */
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { parseDraft } from '../../src/cli/entry-draft.ts';
import { Entry } from '../../src/gen/mayfly/admin/v1/admin.ts';
import { entryFromWire } from '../../src/server/wire.ts';
import { formatBundle, formatJwks, parseBundle, parseJwks } from '../../src/spiffe/bundle.ts';
import { formatBundleMap, parseBundleMap } from '../../src/spiffe/bundle-map.ts';
import { checkEntry, entryWarnings } from '../../src/spiffe/entry.ts';
import { SpiffeId, TrustDomain } from '../../src/spiffe/id.ts';
import { jwtSvidSigningInput, parseJwtSvid, verifyJwtSvid } from '../../src/spiffe/jwt-svid.ts';
import { Selector } from '../../src/spiffe/selector.ts';
import { FakeCa } from '../fakes/ca.ts';
import { promise, type Target, texts } from './target.ts';

const trustDomain = TrustDomain.parse('example.org');
const now = Date.now();

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const authorities = [
  { keyId: 'k1', publicKey },
  { keyId: 'k2', publicKey: createPublicKey(rsa.privateKey) },
];
const bundle = {
  trustDomain,
  x509Authorities: [new FakeCa('example.org').certificate],
  jwtAuthorities: authorities,
  sequence: 7n,
  refreshHintSeconds: 300,
};

function token(): string {
  const seconds = Math.floor(now / 1000);
  const claims = {
    sub: SpiffeId.parse('spiffe://example.org/web'),
    aud: ['reports', 'bench'],
    iat: seconds,
    exp: seconds + 300,
    jti: 'a',
  };
  const input = jwtSvidSigningInput({ alg: 'ES256', kid: 'k1' }, claims);
  return `${input}.${sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

const wireEntry: Entry = {
  ...{
    id: 'x',
    spiffeId: 'spiffe://example.org/web',
    selectors: ['unix:uid:1000', 'unix:path:/usr/bin/web'],
    owner: 'ada',
  },
  ...{ description: 'web', x509SvidTtl: 3600, jwtSvidTtl: 300, dnsNames: ['web.example.org'], hint: 'h' },
  ...{ federatesWith: ['other.example'], audiences: ['reports', 'bench-*'], expiresAt: new Date(now + 1e6) },
  ...{ revision: 1, createdAt: new Date(now) },
};
const fileEntry = JSON.stringify({
  ...{ spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:1000'], owner: 'ada', x509_svid_ttl: '1h' },
  ...{ jwtSvidTtl: 300, audiences: ['a'], dnsNames: ['b'], expiresAt: '2030-01-01T00:00:00Z', federatesWith: ['c'] },
});
const ids = [
  'spiffe://example.org',
  'spiffe://example.org/a/b.c/-_9',
  'spiffe://a.b-c_d/..',
  'SPIFFE://',
  '%2e',
  '\u0000',
];
const signed = [token(), token()];

export const spiffeTargets: readonly Target[] = [
  {
    name: 'spiffe-id',
    seeds: texts(...ids, 'é', '?', '#', '@', ':443'),
    run: (input) => {
      const text = input.toString('utf8');
      const id = SpiffeId.parse(text);
      promise(id === text, 'an ID is what was written');
      promise(`spiffe://${SpiffeId.trustDomain(id)}${SpiffeId.path(id)}` === id, 'its parts make the whole');
      promise(/^spiffe:\/\/[a-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/.test(text), 'only the characters of the standard');
    },
  },
  {
    name: 'selector',
    seeds: texts('unix:uid:1000', 'unix:path:/usr/bin/x', 'k8s:pod-label:a:b', ':', 'unix:', '\n', '\u202e'),
    run: (input) => promise(Selector.parse(input.toString('utf8')).includes(':'), 'a selector has a type'),
  },
  {
    name: 'entry-wire',
    seeds: [Buffer.from(Entry.encode(wireEntry).finish()), ...texts(...ids, 'unix:uid:1', '*')],
    run: (input) => {
      const draft = decoded(input);
      if (draft === undefined) return;
      const fields = checkEntry(draft, trustDomain);
      promise(SpiffeId.trustDomain(fields.spiffeId) === trustDomain, 'an entry lies in its trust domain');
      promise(fields.selectors.length > 0 && fields.owner !== '', 'an entry has selectors and an owner');
      entryWarnings(fields);
    },
  },
  {
    name: 'entry-file',
    seeds: texts(
      fileEntry,
      '"__proto__"',
      'null',
      '1e400',
      '"selectors":',
      '-5',
      '"99999999999d"',
      '"2030-02-30T00:00:00Z"',
    ),
    run: (input) => {
      const value = json(input);
      if (value !== undefined) parseDraft(value, now);
    },
  },
  {
    name: 'jwt-svid',
    seeds: texts(...signed, 'eyJhbGciOiJub25lIn0', '.', '=', '"alg":"none"'),
    run: (input) => {
      const text = input.toString('utf8');
      parseJwtSvid(text);
      verifyJwtSvid(text, 'reports', (name) => (name === trustDomain ? authorities : undefined), now);
      promise(signed.includes(text), 'what was changed after signing is not believed');
    },
  },
  {
    name: 'jwt-payload',
    seeds: texts(
      '{"sub":"spiffe://example.org/web","aud":["reports"],"exp":9999999999,"iat":1}',
      ...['"aud":"reports"', '1e999', '-0', '"\\ud800"', '"__proto__":', '"exp":"1"', '{"a":{}}', 'null', ','],
    ),
    /** Signed whatever it says, so that what stands behind the signature is reached. */
    run: (input) => {
      const signedPart = `${Buffer.from('{"alg":"ES256","kid":"k1","typ":"JWT"}').toString('base64url')}.${input.toString('base64url')}`;
      const signature = sign('sha256', Buffer.from(signedPart), { key: privateKey, dsaEncoding: 'ieee-p1363' });
      const svid = verifyJwtSvid(`${signedPart}.${signature.toString('base64url')}`, 'reports', () => authorities, now);
      promise(svid.audience.includes('reports') && svid.expiresAt > now, 'for this audience, and not over');
      promise(SpiffeId.parseWorkload(svid.id) === svid.id, 'a subject that is an ID');
    },
  },
  {
    name: 'jwks',
    seeds: texts(
      formatJwks(authorities),
      '"kid":"k1"',
      '"d":"AAAA"',
      '"kty":"oct"',
      '"use":"sig"',
      '{"keys":[]}',
      '"crv":"P-521"',
    ),
    run: (input) => {
      const parsed = parseJwks(trustDomain, input);
      promise(new Set(parsed.map(({ keyId }) => keyId)).size === parsed.length, 'key IDs are unique');
      promise(!formatJwks(parsed).includes('"d":'), 'no private member comes out');
    },
  },
  {
    name: 'bundle',
    seeds: texts(
      formatBundle(bundle),
      '"spiffe_sequence":18446744073709551616',
      '"x5c":[]',
      '"use":"x509-svid"',
      '1e20',
    ),
    run: (input) => {
      const parsed = parseBundle(trustDomain, input);
      const text = formatBundle(parsed);
      promise(formatBundle(parseBundle(trustDomain, text)) === text, 'what is written is read back');
    },
  },
  {
    name: 'bundle-map',
    seeds: texts(formatBundleMap([bundle]), '"trust_domains":{', '"example.org":', '{"keys":[]}'),
    run: (input) => {
      const text = formatBundleMap([...parseBundleMap(input).values()]);
      promise(formatBundleMap([...parseBundleMap(text).values()]) === text, 'what is written is read back');
    },
  },
];

/** Bytes that are no message are refused before anybody looks at them. */
function decoded(input: Buffer): ReturnType<typeof entryFromWire> | undefined {
  try {
    return entryFromWire(Entry.decode(input));
  } catch {
    return undefined;
  }
}

function json(input: Buffer): unknown {
  try {
    return JSON.parse(input.toString('utf8'));
  } catch {
    return undefined;
  }
}
