import { describe, expect, it } from 'vitest';
import { generateKey, type KeyType, softwareSigner } from '../runtime/signer.ts';
import { TrustDomain } from '../spiffe/id.ts';
import { selfSigned } from './certificate.ts';
import { libraries } from './second-opinion.ts';

const keyTypes: readonly KeyType[] = ['ec-p256', 'ec-p384', 'rsa-2048'];
const certificate = async (keyType: KeyType): Promise<Buffer> =>
  selfSigned(
    {
      id: '0123456789abcdef',
      trustDomain: TrustDomain.parse('example.org'),
      serial: Buffer.from('0123456789abcdef', 'hex'),
      notBefore: Date.UTC(2026, 0, 1),
      notAfter: Date.UTC(2027, 0, 1),
    },
    softwareSigner(await generateKey(keyType)),
  );

describe('the second opinion on a new authority', () => {
  it.each(keyTypes)('accepts our certificate and our token signature with %s', async (keyType) => {
    await libraries.certificate(await certificate(keyType));
    await libraries.tokenKey(softwareSigner(await generateKey(keyType)));
  });

  it('refuses a certificate with one bit of its signature wrong', async () => {
    const broken = await certificate('ec-p256');
    broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1;
    await expect(libraries.certificate(broken)).rejects.toMatchObject({
      code: 'data-loss',
      message: /refused by an independent/,
    });
  });

  it('refuses a key whose signatures are not its own', async () => {
    const [one, other] = [softwareSigner(await generateKey('ec-p256')), softwareSigner(await generateKey('ec-p256'))];
    const mixed = { ...one, publicKey: other.publicKey };
    await expect(libraries.tokenKey(mixed)).rejects.toMatchObject({ code: 'data-loss' });
  });
});
