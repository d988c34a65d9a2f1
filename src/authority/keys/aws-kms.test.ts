import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refusal } from '../../../test/fakes/authority.ts';
import { awsEnvironment, awsRegion, FakeAwsKms } from '../../../test/fakes/aws-kms.ts';
import type { Signer } from '../../runtime/signer.ts';
import { awsKmsKeyStore } from './aws-kms.ts';

Object.assign(process.env, awsEnvironment);
let kms: FakeAwsKms;
let signer: Signer;
const name = `jwt-${'0'.repeat(32)}`;
const open = (timeoutMs = 20_000) =>
  awsKmsKeyStore({ region: awsRegion, endpoint: kms.server.address, prefix: 'mayfly-', timeoutMs });
const signed = (by = signer): Promise<Buffer> => Promise.resolve(by.sign(Buffer.from('bytes'), 'der'));
const own = () => {
  const key = kms.keys.get(kms.aliases.get(`alias/mayfly-${name}`) ?? '');
  if (key === undefined) throw new Error('the key is missing');
  return key;
};

beforeAll(async () => {
  kms = await FakeAwsKms.start();
  signer = await open().create(name, 'ec-p256');
});
afterAll(() => kms[Symbol.asyncDispose]());

describe('keys in AWS KMS', () => {
  it('R-KEY-2 a key whose alias was cut off by a crash is found again, and there is no second one', async () => {
    const planned = `x509-${'1'.repeat(32)}`;
    for (let other = 0; other < 5; other++) await open().create(`x509-${'a'.repeat(31)}${other}`, 'ec-p256');
    const { publicKey } = await open().create(planned, 'ec-p384');
    kms.aliases.delete(`alias/mayfly-${planned}`);
    expect(kms.orphans).toBe(1);
    expect(await open().load(planned, publicKey)).toBeUndefined();
    expect((await open().load(planned, undefined))?.publicKey).toEqual(publicKey);
    expect(kms.orphans).toBe(0);
  });

  it('R-KEY-2 a deletion that was cut off before the alias went is done again', async () => {
    const old = `x509-${'2'.repeat(32)}`;
    await open().create(old, 'ec-p256');
    const key = kms.keys.get(kms.aliases.get(`alias/mayfly-${old}`) ?? '');
    if (key !== undefined) key.state = 'PendingDeletion';
    expect(await open().names()).toContain(old);
    await open().delete(old);
    expect(await open().names()).not.toContain(old);
  });

  it('row 14 a key that somebody disabled is unavailable until it is enabled, and not taken for lost', async () => {
    own().state = 'Disabled';
    for (const answer of [signed(), open().load(name, signer.publicKey)]) {
      const { code, message } = await refusal(answer);
      expect([code, message]).toEqual(['unavailable', expect.stringContaining('enable it')]);
    }
    own().state = 'Enabled';
    expect((await signed()).length).toBeGreaterThan(60);
  });

  it('row 14 an answer that does not come is given up on', async () => {
    kms.server.trouble = 'silent';
    const { code } = await refusal(open(200).names());
    kms.server.trouble = undefined;
    expect(code).toBe('unavailable');
  });

  it('what a policy forbids is said, with where to read on', async () => {
    kms.server.trouble = {
      status: 400,
      body: { __type: 'AccessDeniedException', message: 'not authorized to perform: kms:Sign' },
    };
    const { code, message } = await refusal(signed());
    kms.server.trouble = undefined;
    expect([code, message]).toEqual(['unavailable', expect.stringMatching(/kms:Sign.*docs\/operate\/keys.md/)]);
  });

  it('a signature by another key is not passed on', async () => {
    const right = own().id;
    await open().create(`jwt-${'3'.repeat(32)}`, 'ec-p256');
    const wrong = kms.keys.get(kms.aliases.get(`alias/mayfly-jwt-${'3'.repeat(32)}`) ?? '');
    if (wrong !== undefined) kms.keys.set(right, { ...wrong, id: right });
    expect(await refusal(signed())).toMatchObject({ code: 'unavailable', reason: 'key-doubtful' });
  });
});
