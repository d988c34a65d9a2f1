/** What the page on AWS shows is run as it stands there; the account at the other side is the test's. */
import { globSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodePem } from '../../src/x509/pem.ts';
import { StrictSts } from '../fakes/sts.ts';
import { audience, deploy, role } from './aws.ts';
import { first } from './fixture.ts';
import { stepsOf, takeTour } from './tour.ts';

const page = fileURLToPath(new URL('../../docs/federate/aws.md', import.meta.url));

/** What the page has written, wherever it went to do so. */
const written = (name: string): string =>
  readFileSync(first(globSync(join(tmpdir(), 'mayfly-tour-*', 'tmp.*', name))), 'utf8');

/** As from the bucket behind the issuer's URL. */
const keys: JWTVerifyGetKey = (header, token) =>
  createLocalJWKSet(JSON.parse(written('site/keys')) as JSONWebKeySet)(header, token);

let sts: StrictSts;
beforeAll(async () => {
  sts = await StrictSts.start({
    keys,
    issuer: 'https://id.example.org',
    audience,
    roles: [{ arn: role, subject: deploy.spiffeId }],
    trustAnchors: () => decodePem('CERTIFICATE', written('root.pem')),
  });
  process.env['AWS_ENDPOINT_URL_STS'] = sts.endpoint;
  process.env['AWS_ENDPOINT_URL_ROLESANYWHERE'] = sts.endpoint;
});
afterAll(async () => {
  delete process.env['AWS_ENDPOINT_URL_STS'];
  delete process.env['AWS_ENDPOINT_URL_ROLESANYWHERE'];
  await sts[Symbol.asyncDispose]();
});

describe('the page on AWS', () => {
  it('says what happens when its commands are typed', { timeout: 300_000 }, async () => {
    const steps = stepsOf(readFileSync(page, 'utf8'));
    expect(steps.length).toBeGreaterThan(8);
    await takeTour(steps);
    expect(sts.asked.map(({ path }) => path.replace(/\?.*/s, ''))).toEqual(['/', '/', '/', '/sessions']);
  });
});
