/** The OIDC issuer: how many relying parties it answers, and what a token costs that is signed with RSA. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { webCertificate } from '../../fakes/bundle-endpoint.ts';
import { FakeCa, pemOf } from '../../fakes/ca.ts';
import { type Mayfly, newDirectory, startMayfly } from '../../integration/fixture.ts';
import { freePort } from '../free-port.ts';
import { h1load } from '../h2load.ts';
import { rateOf, rateRows } from '../rates.ts';
import type { Row } from '../row.ts';
import type { Measure } from './measure.ts';

/** What one address may have at most, over TLS. */
const connections = 64;
const goals = { perSecond: { atLeast: 5_000 }, p99Ms: { atMost: 20 } };

export const issuer: Measure = {
  title: 'the OIDC issuer',
  run: async () => [
    ...(await answered('discovery and keys, plain HTTP behind a proxy', [])),
    ...(await overTls()),
    ...(await signed()),
  ],
};

async function overTls(): Promise<Row[]> {
  const directory = newDirectory();
  const { cert, key } = pemOf(webCertificate(new FakeCa('web.example')));
  const [certFile, keyFile] = [join(directory, 'tls.crt'), join(directory, 'tls.key')];
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key, { mode: 0o600 });
  const files = ['--issuer-cert', certFile, '--issuer-key', keyFile];
  return answered('discovery and keys, HTTPS', files, directory);
}

async function answered(measure: string, files: readonly string[], directory = newDirectory()): Promise<Row[]> {
  const port = await freePort();
  const flags = ['--issuer', 'https://id.example.org', '--issuer-listen', `127.0.0.1:${port}`, ...files];
  await using mayfly: Mayfly = await startMayfly({ directory, flags });
  const at = `${files.length === 0 ? 'http' : 'https'}://127.0.0.1:${port}`;
  const urls = [`${at}/.well-known/openid-configuration`, `${at}/keys`];
  const rate = await rateOf(mayfly.pid, (seconds) => h1load(urls, seconds, connections));
  return rateRows(measure, rate, { goals });
}

/** One after the other, each by its own CPU time: what one core allows. */
async function signed(): Promise<Row[]> {
  const said = async (program: string, ...words: string[]): Promise<string> =>
    (await promisify(execFile)(program, words)).stdout;
  const { perCpuSecond } = JSON.parse(await said(process.execPath, join(import.meta.dirname, '../issue-rs256.ts')));
  const [, signs] =
    /rsa 2048 bits\s+\S+s\s+\S+s\s+([\d.]+)/.exec(await said('openssl', 'speed', '-seconds', '3', 'rsa2048')) ?? [];
  const openssl = Number(signs);
  const reference = { what: 'openssl signs', value: openssl };
  const measure = 'RS256 token newly signed';
  return [{ measure, value: perCpuSecond, unit: '/cpu s', goal: { atLeast: openssl * 0.8 }, reference }];
}
