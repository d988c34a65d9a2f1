/** A relying party that is reached through the site's proxy alone, as HTTPS_PROXY says: by commands as they are typed. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ConnectProxy } from '../fakes/connect-proxy.ts';
import { type LocalTls, localTls } from '../fakes/local-tls.ts';
import type { StrictSts } from '../fakes/sts.ts';
import { deploy, issuer, role, startAccount } from './aws.ts';
import { launcher, type Mayfly, type Outcome, run, startMayfly } from './fixture.ts';

const who = 'ada:s3cret-of-the-proxy';
let mayfly: Mayfly;
let sts: StrictSts;
let tls: LocalTls & Disposable;
let proxyTls: LocalTls & Disposable;

beforeAll(async () => {
  [tls, proxyTls] = [localTls('DNS:sts.example.org'), localTls()];
  mayfly = await startMayfly({ flags: ['--issuer', issuer] });
  await mayfly.operator.create(deploy);
  sts = await startAccount(mayfly, tls);
});
afterAll(async () => {
  await sts[Symbol.asyncDispose]();
  await mayfly[Symbol.asyncDispose]();
  for (const one of [tls, proxyTls]) one[Symbol.dispose]();
});

const hosts = () => ({ 'sts.example.org:443': sts.endpoint, 'other.example.org:443': sts.endpoint });
const credentials = (env: Readonly<Record<string, string>>, host = 'sts.example.org'): Promise<Outcome> =>
  run(launcher, ['credentials', 'aws', '--role-arn', role, '--sts-endpoint', `https://${host}/`], {
    env: { PATH: process.env['PATH'], SPIFFE_ENDPOINT_SOCKET: mayfly.endpoint, AWS_CA_BUNDLE: tls.caFile, ...env },
  });

it('STS is asked through the proxy, which sees its name and nothing else', async () => {
  await using proxy = await ConnectProxy.start({ hosts: hosts(), who });
  const { status, stdout } = await credentials({ HTTPS_PROXY: proxy.address(who) });
  expect(status).toBe(0);
  expect(JSON.parse(stdout).AccessKeyId).toMatch(/^ASIA/);
  expect(proxy.asked).toEqual(['sts.example.org:443']);
  expect(Buffer.concat(proxy.passed).toString('latin1')).not.toMatch(/eyJ|RoleArn|ASIA/);
});

it('a proxy that speaks TLS itself is held to its own certificate', async () => {
  await using proxy = await ConnectProxy.start({ hosts: hosts(), tls: proxyTls });
  const trusted = await credentials({ https_proxy: proxy.address(), NODE_EXTRA_CA_CERTS: proxyTls.caFile });
  expect(trusted.status).toBe(0);
  const { status, stderr } = await credentials({ https_proxy: proxy.address() });
  expect({ status, stderr }).toEqual({ status: 8, stderr: expect.stringMatching(/the proxy https:.*SELF_SIGNED/) });
});

it('who answers behind the proxy must be who was asked: its certificate is checked to the end', async () => {
  await using proxy = await ConnectProxy.start({ hosts: hosts() });
  const { status, stderr } = await credentials({ HTTPS_PROXY: proxy.address() }, 'other.example.org');
  expect(status).toBe(8);
  expect(stderr).toContain('https://other.example.org/ shows a certificate that is not trusted (ERR_TLS_CERT_ALTNAME');
});

it.each([
  ['wants other words', 'ada:wrong-word', 'sts.example.org', 'wants a name and a password, or others (status 407)'],
  ['does not know the host', who, 'x.example.org', 'refuses to connect with status 502'],
])('of a proxy that %s, its address and reason are told, and no password', async (_, given, host, why) => {
  await using proxy = await ConnectProxy.start({ hosts: hosts(), who });
  const { status, stderr } = await credentials({ HTTPS_PROXY: proxy.address(given) }, host);
  expect(status).toBe(8);
  expect(stderr).toContain(`no way to https://${host}/: the proxy ${proxy.address()} ${why}`);
  expect(`${stderr}${mayfly.output}${await onRecord()}`).not.toMatch(/s3cret|wrong-word|eyJ/);
});

it('one that is away, and a variable that names none', async () => {
  const away = await credentials({ HTTPS_PROXY: 'http://ada:s3cret@127.0.0.1:1' });
  expect(away.stderr).toContain('the proxy http://127.0.0.1:1 cannot be reached or does not speak http (ECONNREFUSED)');
  const wrong = await credentials({ HTTPS_PROXY: 'socks5://ada:s3cret@127.0.0.1:1' });
  expect(wrong).toMatchObject({ status: 2, stderr: expect.stringContaining('HTTPS_PROXY is not the URL of an HTTP') });
  expect(`${away.stderr}${wrong.stderr}`).not.toContain('s3cret');
});

it('is not asked for what NO_PROXY names', async () => {
  await using proxy = await ConnectProxy.start({ hosts: hosts() });
  const { stderr } = await credentials({ HTTPS_PROXY: proxy.address(), NO_PROXY: 'example.org' });
  expect(stderr).toContain('https://sts.example.org/ cannot be reached');
  expect(proxy.asked).toEqual([]);
});

const onRecord = async (): Promise<string> => JSON.stringify(await mayfly.operator.records());
