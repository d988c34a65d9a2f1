import { createLocalJWKSet } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeJwtAuthority } from '../../test/fakes/jwt-authority.ts';
import { errorReply, StrictSts, sessionReply } from '../../test/fakes/sts.ts';
import { IdentityError } from '../errors.ts';
import { systemClock } from '../runtime/clock.ts';
import { type AwsRefusal, parseRole } from './aws.ts';
import { assumeRoleWithWebIdentity, type WebIdentityQuestion } from './aws-sts.ts';

const authority = new FakeJwtAuthority();
const subject = 'spiffe://example.org/web';
const role = parseRole('arn:aws:iam::123456789012:role/team/deploy');
const sessionName = 'mayfly-0e2d3c55-7c1a-4f0e-9d6b-4b1f3f7f9d21';
const signal = new AbortController().signal;
/** Pauses are over at once. */
const parts = {
  clock: { now: () => Date.now(), after: (ms: number, run: () => void) => systemClock.after(ms < 9_000 ? 0 : ms, run) },
  random: { fraction: () => 0, uuid: () => '', bytes: () => Buffer.alloc(0) },
};
let sts: StrictSts;

beforeEach(async () => {
  const keys = createLocalJWKSet(JSON.parse(FakeJwtAuthority.jwks(authority).toString()));
  sts = await StrictSts.start({ keys, audience: 'sts.amazonaws.com', roles: [{ arn: role.arn, subject }] });
});
afterEach(() => sts[Symbol.asyncDispose]());

const now = Math.floor(Date.now() / 1_000);
const claims = { sub: subject, aud: ['sts.amazonaws.com'], iat: now, exp: now + 300 };

const ask = (more: Partial<WebIdentityQuestion> = {}, about: Partial<typeof claims> = {}, by = authority) => {
  const token = by.token({ ...claims, ...about });
  const question = { endpoint: sts.endpoint, role, sessionName, subject, token, ...more };
  return assumeRoleWithWebIdentity(question, signal, parts);
};

async function refusal(asking: Promise<unknown>): Promise<AwsRefusal> {
  const error = await asking.then(() => undefined).catch((reason: unknown) => reason);
  if (error instanceof IdentityError) return error as AwsRefusal;
  throw new Error('it was not refused', { cause: error });
}

describe('a session of a role, for a JWT-SVID', () => {
  it('is asked for with the fields that AWS documents, and read whole', async () => {
    const session = await ask({ durationSeconds: 1_800 });
    expect(Object.fromEntries(sts.asked[0]?.form ?? [])).toEqual({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: role.arn,
      RoleSessionName: sessionName,
      DurationSeconds: '1800',
      WebIdentityToken: expect.stringMatching(/^eyJ/),
    });
    expect(session).toMatchObject({
      accessKeyId: expect.stringMatching(/^ASIA/),
      principal: `arn:aws:sts::123456789012:assumed-role/deploy/${sessionName}`,
    });
    expect(session.expiresAt - Date.now()).toBeGreaterThan(1_700_000);
  });

  it('leaves the duration to AWS where none is asked for', async () => {
    await ask();
    expect(sts.asked[0]?.form.has('DurationSeconds')).toBe(false);
  });
});

describe('what STS refuses is told with its own word, and what to do', () => {
  it.each([
    [
      'an audience that the provider does not list',
      {},
      { aud: ['other'] },
      'InvalidIdentityToken',
      'identity provider',
    ],
    ['an expired token', {}, { exp: now - 60, iat: now - 360 }, 'ExpiredTokenException', 'clock'],
    ['another subject than the policy has', {}, { sub: 'spiffe://example.org/other' }, 'AccessDenied', 'trust policy'],
    [
      'a role that is not there',
      { role: parseRole('arn:aws:iam::123456789012:role/nobody') },
      {},
      'AccessDenied',
      'no such role',
    ],
    ['a longer session than the role allows', { durationSeconds: 7_200 }, {}, 'ValidationError', '--duration'],
  ])('%s', async (_, more, about, fault, advice) => {
    const error = await refusal(ask(more, about));
    expect(error).toMatchObject({ code: 'permission-denied', fault, next: expect.stringContaining(advice) });
    expect(error.message).toContain(fault);
    expect(error.message).toContain(sts.endpoint);
    expect(sts.asked).toHaveLength(1);
  });

  it('a signature by another key', async () => {
    const error = await refusal(ask({}, {}, new FakeJwtAuthority()));
    expect(error.fault).toBe('InvalidIdentityToken');
  });

  it('tries again, a few times, where STS could not fetch the keys or is overloaded', async () => {
    sts.troubles.push(errorReply(400, 'IDPCommunicationError', 'later'), errorReply(503, 'ServiceUnavailable', 'busy'));
    expect((await ask()).accessKeyId).toMatch(/^ASIA/);
    sts.trouble = () => errorReply(400, 'IDPCommunicationError', 'never');
    expect((await refusal(ask())).fault).toBe('IDPCommunicationError');
    expect(sts.asked).toHaveLength(6);
  });

  it('without repeating the token, though STS does', async () => {
    sts.trouble = ({ form }) => errorReply(400, 'InvalidIdentityToken', `what is ${form.get('WebIdentityToken')}?`);
    const error = await refusal(ask());
    const [header = ''] = (sts.asked[0]?.form.get('WebIdentityToken') ?? '').split('.');
    expect(error.message).toContain('what is …?');
    expect(JSON.stringify([error, error.cause, error.message, error.stack])).not.toContain(header);
  });
});

describe('an answer that is not ours', () => {
  const session = { arn: role.arn, session: sessionName, subject, audience: 'a', seconds: 900 };

  it.each([
    ['another role', { arn: 'arn:aws:iam::123456789012:role/admin' }],
    ['a role of that name in another account', { arn: 'arn:aws:iam::210987654321:role/team/deploy' }],
    ['another session', { session: 'somebody' }],
    ['another subject', { subject: 'spiffe://example.org/other' }],
  ])('is refused: for %s', async (_, other) => {
    sts.trouble = () => sessionReply({ ...session, ...other });
    expect((await refusal(ask())).code).toBe('unavailable');
  });

  it.each([
    ['nothing', ''],
    ['JSON', '{"Credentials":{}}'],
    ['no credentials', '<AssumeRoleWithWebIdentityResponse/>'],
    ['an error with status 200', errorReply(200, 'AccessDenied', 'no').body],
  ])('is refused: with %s', async (_, body) => {
    sts.trouble = () => ({ status: 200, body });
    expect(['unavailable', 'permission-denied']).toContain((await refusal(ask())).code);
  });
});
