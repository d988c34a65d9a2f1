import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, hash, type KeyObject, webcrypto, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canonicalRequest, signWithCertificate } from './aws-signature.ts';

interface Vector {
  readonly name: string;
  readonly at: string;
  readonly region: string;
  readonly url: string;
  readonly certificate: string;
  readonly serial: string;
  readonly algorithm: string;
  readonly signature: string;
  readonly canonicalHash?: string;
}
const vectors = JSON.parse(
  readFileSync(new URL('../../test/vectors/roles-anywhere.json', import.meta.url), 'utf8'),
) as {
  readonly body: string;
  readonly requests: readonly Vector[];
};

const toSignOf = (algorithm: string, date: string, region: string, canonical: string): Buffer => {
  const scope = `${date.slice(0, 8)}/${region}/rolesanywhere/aws4_request`;
  return Buffer.from([algorithm, date, scope, hash('sha256', canonical, 'hex')].join('\n'));
};

/** Two judges that are not `node:crypto`'s own verify: WebCrypto, and openssl as a program. */
async function judges(key: KeyObject, signed: Buffer, signature: Buffer): Promise<readonly [boolean, boolean]> {
  return [await webCryptoSays(key, signed, signature), opensslSays(key, signed, signature)];
}

async function webCryptoSays(key: KeyObject, signed: Buffer, signature: Buffer): Promise<boolean> {
  const spki = new Uint8Array(key.export({ type: 'spki', format: 'der' }));
  const { subtle } = webcrypto;
  if (key.asymmetricKeyType === 'rsa') {
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
    const rsa = await subtle.importKey('spki', spki, algorithm, false, ['verify']);
    return subtle.verify(algorithm, rsa, new Uint8Array(signature), new Uint8Array(signed));
  }
  const size = key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 48 : 32;
  const ecdsa = { name: 'ECDSA', namedCurve: size === 48 ? 'P-384' : 'P-256' };
  const imported = await subtle.importKey('spki', spki, ecdsa, false, ['verify']);
  return subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, imported, plain(signature, size), new Uint8Array(signed));
}

/** WebCrypto wants r and s side by side: SEQUENCE { INTEGER r, INTEGER s }, read by hand. */
function plain(der: Buffer, size: number): Uint8Array<ArrayBuffer> {
  expect([der[0], der[1]]).toEqual([0x30, der.length - 2]);
  const rEnd = 4 + (der[3] ?? 0);
  const parts = [der.subarray(4, rEnd), der.subarray(rEnd + 2)];
  const numbers = parts.map((one) =>
    BigInt(`0x${one.toString('hex')}`)
      .toString(16)
      .padStart(size * 2, '0'),
  );
  return new Uint8Array(Buffer.from(numbers.join(''), 'hex'));
}

function opensslSays(key: KeyObject, signed: Buffer, signature: Buffer): boolean {
  const directory = mkdtempSync(join(tmpdir(), 'sigv4-'));
  try {
    const [keyFile, signatureFile] = [join(directory, 'key.pem'), join(directory, 'signature')];
    writeFileSync(keyFile, key.export({ type: 'spki', format: 'pem' }));
    writeFileSync(signatureFile, signature);
    const args = ['dgst', '-sha256', '-verify', keyFile, '-signature', signatureFile];
    return (
      execFileSync('openssl', args, { input: signed, stdio: ['pipe', 'pipe', 'pipe'] }).toString() === 'Verified OK\n'
    );
  } catch {
    return false;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe('the canonical form of CreateSession', () => {
  it.each(vectors.requests)('is the one that others have signed: $name', async (vector) => {
    const { url, at, region, certificate, algorithm, signature, canonicalHash, serial } = vector;
    const date = at.replaceAll(/[-:]/g, '');
    const about = { method: 'POST', url: new URL(url), body: Buffer.from(vectors.body) };
    const own = { 'content-type': 'application/json', 'x-amz-date': date, 'x-amz-x509': certificate };
    const { canonical, signedHeaders } = canonicalRequest(about, { ...own, host: about.url.host });
    expect(signedHeaders).toBe('content-type;host;x-amz-date;x-amz-x509');
    if (canonicalHash !== undefined) expect(hash('sha256', canonical, 'hex')).toBe(canonicalHash);
    const leaf = new X509Certificate(Buffer.from(certificate, 'base64'));
    const signed = toSignOf(algorithm, date, region, canonical);
    expect(await judges(leaf.publicKey, signed, Buffer.from(signature, 'hex'))).toEqual([true, true]);
    const other = toSignOf(algorithm, date, region, `${canonical} `);
    expect(await judges(leaf.publicKey, other, Buffer.from(signature, 'hex'))).toEqual([false, false]);
    expect(BigInt(`0x${leaf.serialNumber}`).toString()).toBe(serial);
  });
});

describe('a request signed with a certificate', () => {
  const chain = [Buffer.from('leaf'), Buffer.from('one'), Buffer.from('two')];
  const request = {
    method: 'POST',
    url: new URL('https://rolesanywhere.eu-central-1.amazonaws.com/sessions?roleArn=a%2Fb&profileArn=c+d'),
    headers: { 'content-type': 'application/json' },
    body: Buffer.from('{"roleSessionName":"mayfly"}'),
    region: 'eu-central-1',
    service: 'rolesanywhere',
    at: Date.parse('2026-11-26T11:00:00Z'),
  };

  it.each([
    ['ECDSA on P-256', 'AWS4-X509-ECDSA-SHA256', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['ECDSA on P-384', 'AWS4-X509-ECDSA-SHA256', () => generateKeyPairSync('ec', { namedCurve: 'P-384' })],
    ['RSA', 'AWS4-X509-RSA-SHA256', () => generateKeyPairSync('rsa', { modulusLength: 2_048 })],
  ])('carries it with its chain and its serial number in decimal, and holds: %s', async (_, algorithm, make) => {
    const { privateKey, publicKey } = make();
    const serial = '4176248E06892072F1498AD94374F0EA04577E43';
    const headers = signWithCertificate(request, { certificates: chain, privateKey, serial });
    expect(headers).toMatchObject({
      'x-amz-x509': 'bGVhZg==',
      'x-amz-x509-chain': 'b25l,dHdv',
      'x-amz-date': '20261126T110000Z',
    });
    const { authorization = '', ...others } = headers;
    const names = 'content-type;host;x-amz-date;x-amz-x509;x-amz-x509-chain';
    const scope = '20261126/eu-central-1/rolesanywhere/aws4_request';
    const credential = `373719072408053199536118061820892065223142768195/${scope}`;
    const [, signature = ''] = authorization.split(
      `${algorithm} Credential=${credential}, SignedHeaders=${names}, Signature=`,
    );
    expect(signature).toMatch(/^[0-9a-f]{128,}$/);
    const lines = names.split(';').map((name) => `${name}:${others[name]}`);
    const canonical = [
      'POST',
      '/sessions',
      'profileArn=c%20d&roleArn=a%2Fb',
      ...lines,
      '',
      names,
      hash('sha256', request.body, 'hex'),
    ];
    const signed = toSignOf(algorithm, '20261126T110000Z', 'eu-central-1', canonical.join('\n'));
    expect(await judges(publicKey, signed, Buffer.from(signature, 'hex'))).toEqual([true, true]);
  });

  it('is not made with a key that AWS does not take', () => {
    const { privateKey } = generateKeyPairSync('ed25519');
    expect(() => signWithCertificate(request, { certificates: chain, privateKey, serial: '01' })).toThrow(TypeError);
  });
});
