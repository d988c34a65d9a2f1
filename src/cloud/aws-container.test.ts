import http from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IdentityError } from '../errors.ts';
import { startContainerEndpoint } from './aws-container.ts';
import type { LocalEndpoint } from './local-endpoint.ts';

const word = 'w0rd-of-this-endpoint';
const session = {
  ...{ accessKeyId: 'ASIA1', secretAccessKey: 'secret', sessionToken: 'token' },
  ...{ expiresAt: Date.parse('2026-11-26T12:00:00.500Z'), principal: 'arn:aws:sts::123456789012:assumed-role/r/s' },
};
let endpoint: LocalEndpoint;
let trouble: Error | undefined;

beforeAll(async () => {
  const obtain = async () => {
    if (trouble !== undefined) throw trouble;
    return session;
  };
  endpoint = await startContainerEndpoint({ word, session: obtain, port: 0 });
});
afterAll(() => endpoint[Symbol.asyncDispose]());

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

async function ask({ method = 'GET', path = '/credentials', headers = { authorization: word }, body }: Asked = {}) {
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
  http.request(new URL(path, endpoint.url), { method, headers, agent: false }, resolve).on('error', reject).end(body);
  const response = await promise;
  let text = '';
  for await (const part of response.setEncoding('utf8')) text += part;
  return {
    status: response.statusCode,
    headers: response.headers,
    document: JSON.parse(text) as Record<string, unknown>,
  };
}

describe('the container credentials endpoint', () => {
  it('answers with strings, as SDKs read them, and is not to be kept by anybody', async () => {
    const { status, headers, document } = await ask();
    expect(status).toBe(200);
    expect(document).toEqual({
      ...{ AccessKeyId: 'ASIA1', SecretAccessKey: 'secret', Token: 'token' },
      ...{ Expiration: '2026-11-26T12:00:00Z', AccountId: '123456789012' },
    });
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'no-store' });
  });

  it('listens on this machine alone', () => {
    expect(endpoint.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/credentials$/);
  });

  it.each([
    ['without the word', { headers: {} }, 403],
    ['with another', { headers: { authorization: `${word}x` } }, 403],
    ['with the word as somebody’s bearer token', { headers: { authorization: `Bearer ${word}` } }, 403],
    ['through a proxy', { headers: { authorization: word, 'x-forwarded-for': '10.0.0.1' } }, 403],
    ['from a web page', { headers: { authorization: word, origin: 'https://evil.example' } }, 403],
    ['for a name that was made to point here', { headers: { authorization: word, host: 'evil.example' } }, 403],
    ['with another method', { method: 'POST', body: 'x' }, 400],
    ['for another path', { path: '/credentials/..' }, 404],
  ])('refuses who asks %s', async (_, asked, status) => {
    const answer = await ask(asked);
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.document)).not.toMatch(/secret|ASIA1|w0rd/);
    expect(answer.document).toMatchObject({ Code: expect.any(String), Message: expect.any(String) });
  });

  it('tells what went wrong in AWS’s own word, and of a defect nothing', async () => {
    trouble = new IdentityError('permission-denied', 'STS refuses', { cause: { fault: 'AccessDenied' } });
    expect(await ask()).toMatchObject({ status: 403, document: { Code: 'AccessDenied', Message: 'STS refuses' } });
    trouble = new TypeError('cannot read secret of undefined');
    expect(await ask()).toMatchObject({ status: 503, document: { Message: 'internal error' } });
    trouble = undefined;
  });

  it('says which port is taken', async () => {
    const port = Number(new URL(endpoint.url).port);
    await expect(startContainerEndpoint({ word, session: async () => session, port })).rejects.toMatchObject({
      code: 'failed-precondition',
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
  });
});
