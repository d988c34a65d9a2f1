import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { generateKey, hashOf, joseAlgorithm, type KeyType, softwareSigner } from './signer.ts';

const bytes = Buffer.from('to be signed');

describe('a software signer', () => {
  it.each<KeyType>(['ec-p256', 'ec-p384', 'rsa-2048'])(
    'signs with %s so that anybody can verify it',
    async (keyType) => {
      const signer = softwareSigner(await generateKey(keyType));
      const key = createPublicKey({ key: signer.publicKey, format: 'der', type: 'spki' });
      expect(signer.keyType).toBe(keyType);
      expect(verify(hashOf(keyType), bytes, key, await signer.sign(bytes, 'der'))).toBe(true);
    },
  );

  it.each<KeyType>(['ec-p256', 'ec-p384'])(
    'JT-31 writes %s signatures for JOSE as r and s of fixed width',
    async (keyType) => {
      const signer = softwareSigner(await generateKey(keyType));
      const key = createPublicKey({ key: signer.publicKey, format: 'der', type: 'spki' });
      // Often enough that integers with a leading zero, and shorter ones, occur.
      for (let round = 0; round < 600; round++) {
        const signature = await signer.sign(Buffer.from(`${round}`), 'jose');
        expect(signature.length).toBe(keyType === 'ec-p256' ? 64 : 96);
        const raw = { key, dsaEncoding: 'ieee-p1363' } as const;
        expect(verify(hashOf(keyType), Buffer.from(`${round}`), raw, signature)).toBe(true);
      }
    },
  );

  it('names the algorithm of its tokens', () => {
    expect(['ec-p256', 'ec-p384', 'rsa-4096'].map((keyType) => joseAlgorithm(keyType as KeyType))).toEqual([
      'ES256',
      'ES384',
      'RS256',
    ]);
  });
});
