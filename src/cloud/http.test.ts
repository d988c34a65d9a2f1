import http from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/fakes/eventually.ts';
import { type Answer, JsonServer } from '../../test/fakes/json-server.ts';
import { localTls } from '../../test/fakes/local-tls.ts';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { systemRandom } from '../runtime/random.ts';
import { askRelyingParty, attemptMs, type RelyingRequest } from './http.ts';
import type { RelyingError } from './relying-url.ts';

const never = new AbortController().signal;
const token = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzcGlmZmU6Ly9leGFtcGxlLm9yZy93ZWIifQ.c2lnbmF0dXJl';
const body = new URLSearchParams({ grant_type: 'urn:example:exchange', subject_token: token }).toString();
const opened: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of opened.splice(0)) await one[Symbol.asyncDispose]();
});

async function party(answer: Answer): Promise<JsonServer> {
  const server = await JsonServer.start(() => answer);
  opened.push(server);
  return server;
}

const ask = (server: JsonServer, more: Partial<RelyingRequest> = {}) =>
  askRelyingParty({ url: `${server.address}/token`, body, accepts: 'json', ...more }, never, quick());

/** Pauses are over at once, and remembered; the time for an answer is real. */
class Pauses implements Clock {
  readonly taken: number[] = [];
  readonly now = () => Date.now();

  after(ms: number, run: () => void): Disposable {
    if (ms >= attemptMs) return systemClock.after(ms, run);
    this.taken.push(ms);
    return systemClock.after(0, run);
  }
}

const quick = () => ({ clock: new Pauses(), random: systemRandom });
/** Real timers, where the time for an answer is what is tested. */
const real = { clock: systemClock, random: systemRandom };

const refusalOf = async (asking: Promise<unknown>): Promise<RelyingError> => {
  try {
    await asking;
  } catch (error) {
    return error as RelyingError;
  }
  throw new Error('it was not refused');
};

describe('a question to a relying party', () => {
  it('sends what it was given and gives the answer', async () => {
    const server = await party({ status: 200, body: { access_token: 'x' } });
    const answer = await ask(server, { headers: { 'content-type': 'application/x-www-form-urlencoded' } });
    expect(JSON.parse(answer.body)).toEqual({ access_token: 'x' });
    expect(server.asked[0]).toMatchObject({ method: 'POST', text: body });
    expect(server.asked[0]?.headers).toMatchObject({
      accept: 'application/json',
      'content-length': String(body.length),
    });
  });

  it('believes the certificates that it is given, and no other', async () => {
    using tls = localTls();
    const server = await JsonServer.start(() => ({ status: 200, body: {} }), tls);
    opened.push(server);
    expect((await ask(server, { ca: tls.cert })).status).toBe(200);
    const refusal = await refusalOf(ask(server));
    expect(refusal).toMatchObject({ code: 'unavailable', reason: 'relying-certificate' });
    expect(refusal.message).toContain(`${server.address}/token shows a certificate that is not trusted`);
    expect(server.asked).toHaveLength(1);
  });

  it.each([
    ['http://sts.example.org/token', 'is not https'],
    ['ftp://127.0.0.1/token', 'is not https'],
    ['https://user:secret@sts.example.org/', 'has a password in it'],
    ['sts.example.org/token?a=secret', 'is not a URL'],
  ])('asks nobody at %s', async (url, rule) => {
    const refusal = await refusalOf(askRelyingParty({ url, accepts: 'json' }, never, quick()));
    expect(refusal).toMatchObject({ code: 'invalid-argument', reason: 'relying-url' });
    expect(refusal.message).toContain(rule);
    expect(refusal.message).not.toContain('secret');
  });
});

describe('bad input: a relying party that', () => {
  it('redirects is not followed: the token would travel on', async () => {
    const elsewhere = await party({ status: 200, body: {} });
    const server = await party({ status: 307, headers: { location: `${elsewhere.address}/` } });
    const refusal = await refusalOf(ask(server));
    expect(refusal).toMatchObject({ code: 'unavailable', reason: 'relying-redirect' });
    expect(refusal.message).toBe(
      `${server.address}/token redirects (status 307), which is not followed: name the final URL`,
    );
    expect([server.asked.length, elsewhere.asked.length]).toEqual([1, 0]);
  });

  it('answers a web page is told apart, whatever kind of content it claims', async () => {
    for (const type of ['text/html; charset=utf-8', 'application/json']) {
      const server = await pageServer(type);
      const refusal = await refusalOf(askRelyingParty({ url: server.url, body, accepts: 'json' }, never, quick()));
      expect(refusal).toMatchObject({ code: 'unavailable', reason: 'relying-type' });
      expect(refusal.message).toContain(`${server.url} answers with a web page`);
    }
  });

  it.each([
    [{ error: 'invalid_grant', error_description: 'stale' }, 'invalid_grant: stale'],
    [{ error: { status: 'PERMISSION_DENIED', message: 'no' } }, 'PERMISSION_DENIED: no'],
    [{ errors: ['error validating token'] }, 'error validating token'],
  ])('answers 200 with an error is believed about the error: %j', async (fault, said) => {
    const server = await party({ status: 200, body: fault });
    const refusal = await refusalOf(ask(server));
    expect(refusal).toMatchObject({ code: 'permission-denied', reason: 'relying-refusal', status: 200 });
    expect(refusal.message).toBe(`${server.address}/token answers with status 200 and an error: ${said}`);
    expect(server.asked).toHaveLength(1);
  });

  it('takes a message of a good answer for no error', async () => {
    const server = await party({ status: 200, body: { message: 'welcome', errors: [] } });
    expect((await ask(server)).status).toBe(200);
  });

  it.each([
    [{ error: 'invalid_grant', error_description: `bad token ${token}` }],
    [{ message: `${body} was refused`, code: 'InvalidIdentityToken' }],
    [{ errors: [`Authorization: opaque-and-long-enough-to-be-a-secret`] }],
  ])('repeats what it was sent does not get it into an error: %j', async (fault) => {
    const server = await party({ status: 400, body: fault });
    const headers = { authorization: 'opaque-and-long-enough-to-be-a-secret' };
    const refusal = await refusalOf(ask(server, { headers }));
    expect(refusal.code).toBe('permission-denied');
    expect(refusal.message).toContain('refuses with status 400: ');
    for (const secret of [token, token.slice(0, 40), headers.authorization])
      expect(refusal.message).not.toContain(secret);
  });

  it('answers at length, or with control characters, is quoted briefly and in one line', async () => {
    const server = await party({
      status: 403,
      body: { error: 'denied', error_description: `\u001b[2J\n${'long '.repeat(1_000)}` },
    });
    const { message } = await refusalOf(ask(server));
    expect(message.length).toBeLessThan(600);
    expect(message).toMatch(/^[\P{C}]+$/u);
  });

  it('never ends is cut off', async () => {
    const server = await party({ status: 200 });
    server.trouble = 'endless';
    const refusal = await refusalOf(ask(server));
    expect(refusal).toMatchObject({ code: 'unavailable', reason: 'relying-size' });
    expect(refusal.message).toContain('answers with more than 262144 bytes');
  });

  it('is silent is given up, after so many attempts', async () => {
    const server = await party({ status: 200 });
    server.trouble = 'silent';
    const asking = askRelyingParty(
      { url: `${server.address}/token`, body, accepts: 'json', timeoutMs: 300, attempts: 2 },
      never,
      real,
    );
    const refusal = await refusalOf(asking);
    expect(refusal).toMatchObject({ code: 'unavailable', reason: 'relying-time' });
    expect(refusal.message).toBe(`${server.address}/token did not answer within 0.3 s`);
    expect(server.asked).toHaveLength(2);
  });

  it.each(['away', 429, 503] as const)(
    'is away (%s) is tried three times, with pauses that grow and hold chance',
    async (how) => {
      const server = await party({ status: 200 });
      server.trouble = how === 'away' ? how : { status: how, body: { error: 'slow_down' } };
      const clock = new Pauses();
      const random = { ...systemRandom, fraction: () => 0.5 };
      const url = `${server.address}/token`;
      const refusal = await refusalOf(askRelyingParty({ url, body, accepts: 'json' }, never, { clock, random }));
      expect(refusal).toMatchObject({ code: 'unavailable', passes: true });
      expect(refusal.message).toContain(url);
      expect(server.asked).toHaveLength(3);
      expect(clock.taken).toEqual([375, 750]);
    },
  );

  it('asks for a pause gets one, as long as we are ready to wait', async () => {
    for (const [asked, waited] of [
      ['2', 2_000],
      ['86400', 4_000],
      ['tomorrow', 250],
    ] as const) {
      const server = await party({ status: 503, headers: { 'retry-after': asked } });
      const clock = new Pauses();
      const random = { ...systemRandom, fraction: () => 0 };
      const request = { url: `${server.address}/token`, body, accepts: 'json', attempts: 2 } as const;
      await refusalOf(askRelyingParty(request, never, { clock, random }));
      expect(clock.taken).toEqual([waited]);
    }
  });

  it('comes back is asked again and believed', async () => {
    const server = await party({ status: 200, body: { access_token: 'x' } });
    server.cut = { passes: 1, loses: 'answer', times: 'once' };
    await ask(server);
    expect((await ask(server)).status).toBe(200);
    expect(server.asked).toHaveLength(3);
  });

  it('refuses is not asked again, unless it is known to change its mind', async () => {
    const server = await party({ status: 400, body: { error: 'IDPCommunicationError' } });
    await refusalOf(ask(server));
    expect(server.asked).toHaveLength(1);
    await refusalOf(ask(server, { passes: ({ body: said }) => said.includes('IDPCommunication') }));
    expect(server.asked).toHaveLength(4);
  });

  it('is no longer wanted is let go at once', async () => {
    const server = await party({ status: 200 });
    server.trouble = 'silent';
    const request = { url: `${server.address}/token`, body, accepts: 'json' } as const;
    const given = new AbortController();
    const asking = askRelyingParty(request, given.signal, quick());
    await eventually('the question arrives', () => server.asked.length);
    const reason = new Error('enough');
    given.abort(reason);
    await expect(asking).rejects.toBe(reason);
    expect(server.asked).toHaveLength(1);
  });
});

/** A server with content that is no JSON. */
async function pageServer(type: string): Promise<{ url: string }> {
  const server = http.createServer((_, response) => {
    response.writeHead(200, { 'content-type': type }).end('<!DOCTYPE html><title>Sign in</title>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  opened.push({ [Symbol.asyncDispose]: () => new Promise((resolve) => void server.close(() => resolve())) });
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/token` };
}
