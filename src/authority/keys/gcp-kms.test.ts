import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refusal } from '../../../test/fakes/authority.ts';
import { FakeGcpKms, gcpEnvironment, gcpKeyRing } from '../../../test/fakes/gcp-kms.ts';
import type { Signer } from '../../runtime/signer.ts';
import { gcpKmsKeyStore } from './gcp-kms.ts';

const directory = mkdtempSync(join(tmpdir(), 'mayfly-gcp-'));
Object.assign(process.env, gcpEnvironment(join(directory, 'account.json')));
let kms: FakeGcpKms;
let signer: Signer;
const name = `jwt-${'0'.repeat(32)}`;
const open = (timeoutMs = 20_000) =>
  gcpKmsKeyStore({
    keyRing: gcpKeyRing,
    protection: 'hsm',
    endpoint: kms.server.address,
    prefix: 'mayfly-',
    timeoutMs,
  });
const signed = (by = signer): Promise<Buffer> => Promise.resolve(by.sign(Buffer.from('bytes'), 'der'));
const own = () => {
  const key = kms.keys.get(`mayfly-${name}`);
  if (key === undefined) throw new Error('the key is missing');
  return key;
};

beforeAll(async () => {
  kms = await FakeGcpKms.start();
  signer = await open().create(name, 'ec-p256');
});
afterAll(async () => {
  await kms[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

describe('keys in Google Cloud KMS', () => {
  it('are waited for while they are generated', async () => {
    kms.generationSteps = 3;
    const made = await open().create(`x509-${'1'.repeat(32)}`, 'ec-p384');
    expect((await signed(made)).length).toBeGreaterThan(90);
  });

  it('R-KEY-2 made again under a name after an answer that was lost, are one key', async () => {
    const planned = `x509-${'2'.repeat(32)}`;
    const { publicKey } = await open().create(planned, 'ec-p256');
    expect((await open().create(planned, 'ec-p256')).publicKey).toEqual(publicKey);
  });

  it.each(['digest', 'signature'] as const)(
    'a %s that was changed on the way is noticed by its checksum',
    async (what) => {
      kms.corrupt = what;
      const { code, message } = await refusal(signed());
      kms.corrupt = undefined;
      expect([code, message]).toEqual(['unavailable', expect.stringContaining('a checksum does not fit')]);
    },
  );

  it('a public key that was changed on the way is noticed by its checksum', async () => {
    kms.corrupt = 'pem';
    const { message } = await refusal(open().load(name, signer.publicKey));
    kms.corrupt = undefined;
    expect(message).toContain('a checksum does not fit');
  });

  it('row 14 a key that somebody disabled is unavailable until it is enabled, and not taken for lost', async () => {
    own().state = 'DISABLED';
    const refusals = await Promise.all([signed(), open().load(name, signer.publicKey)].map(refusal));
    expect(refusals.map(({ code }) => code)).toEqual(['unavailable', 'unavailable']);
    own().state = 'ENABLED';
    expect((await signed()).length).toBeGreaterThan(60);
  });

  it('R-KEY-2 a destruction that was cut off before the label was changed is done again', async () => {
    const old = `x509-${'3'.repeat(32)}`;
    await open().create(old, 'ec-p256');
    const key = kms.keys.get(`mayfly-${old}`);
    if (key !== undefined) key.state = 'DESTROY_SCHEDULED';
    expect(await open().names()).toContain(old);
    await open().delete(old);
    expect(await open().names()).not.toContain(old);
    expect(await open().load(old, undefined)).toBeUndefined();
  });

  it('row 14 an answer that does not come is given up on', async () => {
    kms.server.trouble = 'silent';
    const { code } = await refusal(open(300).names());
    kms.server.trouble = undefined;
    expect(code).toBe('unavailable');
  });

  it('what a policy forbids is said, with where to read on', async () => {
    const error = {
      code: 403,
      message: 'Permission cloudkms.cryptoKeyVersions.useToSign denied',
      status: 'PERMISSION_DENIED',
    };
    kms.server.trouble = { status: 403, body: { error } };
    const { code, message } = await refusal(signed());
    kms.server.trouble = undefined;
    expect([code, message]).toEqual(['unavailable', expect.stringMatching(/useToSign.*docs\/operate\/keys.md/)]);
  });
});
