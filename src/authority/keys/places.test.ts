/** What every place where keys can live has to keep, whoever runs it. */
import { createPublicKey, verify } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refusal } from '../../../test/fakes/authority.ts';
import { type KeyPlace, keyPlaces } from '../../../test/fakes/key-places.ts';
import { hashOf, type KeyType, type Signer } from '../../runtime/signer.ts';

let count = 0;
const fresh = (): string => `x509-${(++count).toString(16).padStart(32, '0')}`;
const sign = async (signer: Signer | undefined, form: 'der' | 'jose' = 'der'): Promise<Buffer> =>
  (await signer?.sign(Buffer.from('what is to be signed'), form)) ?? Buffer.alloc(0);
const verifies = ({ publicKey, keyType }: Signer, signature: Buffer, dsaEncoding: 'der' | 'ieee-p1363'): boolean => {
  const key = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
  return verify(hashOf(keyType), Buffer.from('what is to be signed'), { key, dsaEncoding }, signature);
};

describe.each(Object.entries(keyPlaces))('keys in %s', (kind, start) => {
  let place: KeyPlace;
  beforeAll(async () => {
    place = await start();
  });
  afterAll(() => place[Symbol.asyncDispose]());

  it.each<KeyType>(['ec-p256', 'ec-p384', 'rsa-2048'])('are made, found again, sign and go: %s', async (keyType) => {
    const [name, store] = [fresh(), place.open()];
    expect(await store.load(name, undefined)).toBeUndefined();
    const made = await store.create(name, keyType);
    const loaded = await place.open().load(name, made.publicKey);
    for (const signer of [made, loaded]) {
      expect([signer?.keyType, signer?.publicKey]).toEqual([keyType, made.publicKey]);
      expect(verifies(made, await sign(signer, 'der'), 'der')).toBe(true);
      expect(verifies(made, await sign(signer, 'jose'), 'ieee-p1363')).toBe(true);
    }
    await store.delete(name);
    expect(await store.load(name, made.publicKey)).toBeUndefined();
    await store.delete(name);
  });

  it('R-KEY-1 another key than the one that was published is refused', async () => {
    const [name, other] = [fresh(), fresh()];
    const store = place.open();
    const { publicKey } = await store.create(other, 'ec-p256');
    await store.create(name, 'ec-p256');
    expect((await refusal(store.load(name, publicKey))).code).toBe('data-loss');
  });

  it("R-KEY-2 of another issuer's prefix are neither listed nor found", async () => {
    const [ours, theirs] = [place.open('ours-'), place.open('theirs-')];
    expect([await ours.names(), await theirs.names()]).toEqual([[], []]);
    const [mine, foreign] = [fresh(), fresh()];
    await ours.create(mine, 'ec-p256');
    await theirs.create(foreign, 'ec-p256');
    expect([await ours.names(), await theirs.names()]).toEqual([[mine], [foreign]]);
    expect(await ours.load(foreign, undefined)).toBeUndefined();
    await ours.delete(foreign);
    expect(await theirs.names()).toEqual([foreign]);
  });

  if (kind !== 'disk')
    it('row 14 that are away sign nothing, are not taken for lost, and sign when they are back', async () => {
      const [name, store] = [fresh(), place.open()];
      const signer = await store.create(name, 'ec-p256');
      place.remove();
      const asked = [
        sign(signer),
        store.create(fresh(), 'ec-p256'),
        store.load(name, undefined),
        store.delete(name),
        store.names(),
      ];
      const refusals = await Promise.all(asked.map(refusal));
      expect(new Set(refusals.map(({ code }) => code))).toEqual(new Set(['unavailable']));
      place.restore();
      await expect
        .poll(() => sign(signer).then((made) => verifies(signer, made, 'der'), String), { timeout: 20_000 })
        .toBe(true);
      expect(await store.names()).toContain(name);
    });
});
