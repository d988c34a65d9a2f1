/** JWT-SVIDs: as they come, and signed whatever they say. */
import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { SpiffeId, TrustDomain } from '../../../src/spiffe/id.ts';
import { jwtSvidSigningInput, parseJwtSvid, verifyJwtSvid } from '../../../src/spiffe/jwt-svid.ts';
import { promise, type Target, texts } from '../engine/target.ts';

const trustDomain = TrustDomain.parse('example.org');
const now = Date.now();
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });

export const authorities = [
  { keyId: 'k1', publicKey },
  { keyId: 'k2', publicKey: createPublicKey(rsa.privateKey) },
];

const signature = (input: string): string =>
  sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url');

function token(): string {
  const seconds = Math.floor(now / 1000);
  const sub = SpiffeId.parse('spiffe://example.org/web');
  const claims = { sub, aud: ['reports', 'bench'], iat: seconds, exp: seconds + 300, jti: 'a' };
  const input = jwtSvidSigningInput({ alg: 'ES256', kid: 'k1' }, claims);
  return `${input}.${signature(input)}`;
}

export const signed = [token(), token()];

export const jwtSvid: Target = {
  seeds: texts(...signed, 'eyJhbGciOiJub25lIn0', '.', '=', '"alg":"none"'),
  shape: 'token',
  run: (input) => {
    const text = input.toString('utf8');
    parseJwtSvid(text);
    verifyJwtSvid(text, 'reports', (name) => (name === trustDomain ? authorities : undefined), now);
    promise(signed.includes(text), 'what was changed after signing is not believed');
  },
};

/** Signed whatever it says, so that what stands behind the signature is reached. */
export const jwtPayload: Target = {
  seeds: texts(
    '{"sub":"spiffe://example.org/web","aud":["reports"],"exp":9999999999,"iat":1,"nbf":1,"jti":"a","iss":"b"}',
    ...['"aud":"reports"', '1e999', '-0', '"\\ud800"', '"__proto__":', '"exp":"1"', '{"a":{}}', 'null', ','],
  ),
  shape: 'json',
  run: (input) => {
    const header = Buffer.from('{"alg":"ES256","kid":"k1","typ":"JWT"}').toString('base64url');
    const text = `${header}.${input.toString('base64url')}`;
    const svid = verifyJwtSvid(`${text}.${signature(text)}`, 'reports', () => authorities, now);
    promise(svid.audience.includes('reports') && svid.expiresAt > now, 'for this audience, and not over');
    promise(SpiffeId.parseWorkload(svid.id) === svid.id, 'a subject that is an ID');
    promise(Number.isSafeInteger(svid.expiresAt), 'an end that is a moment');
  },
};
