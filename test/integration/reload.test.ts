/** Settings change under a running issuer, and no stream notices. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../bench/free-port.ts';
import { isoTime, leafOf, readToken } from './documents.ts';
import { first, type Mayfly, newDirectory, startMayfly, until } from './fixture.ts';
import type { Stream } from './workload.ts';

const directory = newDirectory();
const file = join(directory, 'mayfly.yaml');
const settings = (text: string): void => writeFileSync(file, text);
let mayfly: Mayfly;
let stream: Stream;

beforeAll(async () => {
  settings('log_level: info\nx509_svid_ttl: 1h\n');
  mayfly = await startMayfly({ directory, flags: ['--config', file] });
  await mayfly.operator.addPerson('ada');
  const audiences = ['reports-*'];
  await mayfly.operator.create({ spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:10001'], audiences });
  stream = (await mayfly.workload(10001)).open('FetchX509SVID');
  await stream.next();
});
afterAll(() => mayfly?.[Symbol.asyncDispose]());

async function lifeOfNext(): Promise<number> {
  const { svids } = await (await mayfly.workload(10001)).x509();
  const { notBefore, notAfter } = isoTime(leafOf(first(svids).x509Svid));
  return (notAfter - notBefore) / 1000;
}

const answers = (endpoint: string): Promise<boolean> =>
  new Promise((resolve) => {
    const call = request(`https://${endpoint}/`, { rejectUnauthorized: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on('error', () => resolve(false)).end();
  });

const reload = async () => JSON.parse((await mayfly.command('config', 'reload', '--json')).stdout);

describe('settings that are read again', () => {
  it('take effect for what comes next, and say what needs a restart', async () => {
    settings('log_level: debug\nx509_svid_ttl: 10m\nca_ttl: 12h\n');
    expect(await reload()).toEqual({ changed: ['log_level', 'x509_svid_ttl'], needRestart: ['ca_ttl'] });
    expect(await lifeOfNext()).toBeLessThan(700);
    expect(await reload()).toEqual({ changed: [], needRestart: ['ca_ttl'] });
  });

  it('are read again at SIGHUP too', async () => {
    settings('log_level: info\nx509_svid_ttl: 20m\n');
    process.kill(mayfly.pid, 'SIGHUP');
    await until('it said so', () => mayfly.output.includes('the settings were read again'));
    expect(await lifeOfNext()).toBeGreaterThan(1_100);
    expect(await reload()).toEqual({ changed: [], needRestart: [] });
  });

  it('open and close bundle endpoints', async () => {
    const endpoint = `127.0.0.1:${await freePort()}`;
    settings(
      `log_level: info\nx509_svid_ttl: 20m\nbundle_endpoints: [{ profile: https_spiffe, listen: "${endpoint}" }]\n`,
    );
    expect(await reload()).toEqual({ changed: ['bundle_endpoints'], needRestart: [] });
    expect(await answers(endpoint)).toBe(true);
    settings('log_level: info\nx509_svid_ttl: 20m\n');
    expect(await reload()).toEqual({ changed: ['bundle_endpoints'], needRestart: [] });
    expect(await answers(endpoint)).toBe(false);
  });

  it('are on record as not in effect where an endpoint cannot be opened; the others are, and the next reading tries again', async () => {
    const [endpoint, taken] = [`127.0.0.1:${await freePort()}`, createServer()];
    await once(taken.listen(0, '127.0.0.1'), 'listening');
    const [served, refused] = [endpoint, `127.0.0.1:${(taken.address() as AddressInfo).port}`].map(
      (listen) => `{ profile: https_spiffe, listen: "${listen}" }`,
    );
    const rest = 'log_level: info\nx509_svid_ttl: 20m\n';
    settings(`${rest}jwt_svid_ttl: 4m\nbundle_endpoints: [${refused}, ${served}]\n`);
    const { status, stderr } = await mayfly.command('config', 'reload');
    expect([status, stderr]).toEqual([6, expect.stringContaining('bundle_endpoints is not in effect: cannot listen')]);
    expect(await answers(endpoint)).toBe(true);
    const records = (await mayfly.operator.records()).map(({ json }) => JSON.parse(json));
    const told = records.filter(({ kind }) => /^config\./.test(kind)).slice(-2);
    expect(told).toMatchObject([
      { kind: 'config.reloaded', changed: ['jwt_svid_ttl', 'bundle_endpoints'] },
      { kind: 'config.not-in-effect', settings: ['bundle_endpoints'], actorUid: process.geteuid?.() },
    ]);
    taken.close();
    expect(await reload()).toEqual({ changed: ['bundle_endpoints'], needRestart: [] });
    settings(rest);
    expect(await reload()).toEqual({ changed: ['jwt_svid_ttl', 'bundle_endpoints'], needRestart: [] });
    expect(await answers(endpoint)).toBe(false);
  });

  it('stay as they are when the file is wrong, with its line', async () => {
    settings('log_level: info\nx509_svid_ttl: 20m\ncolour: blue\n');
    const { status, stderr } = await mayfly.command('config', 'reload');
    expect([status, stderr]).toEqual([2, expect.stringContaining(`${file}:3: colour`)]);
    expect(await lifeOfNext()).toBeGreaterThan(1_100);
  });

  it('are on record by name, with who asked', async () => {
    const records = await mayfly.operator.records({ kind: 'config.reloaded' });
    const changes = records.map(({ json }) => JSON.parse(json)).filter(({ changed }) => changed.length > 0);
    const [asked, hung] = changes;
    expect(changes).toHaveLength(7);
    expect(asked).toMatchObject({ changed: ['log_level', 'x509_svid_ttl'], actorUid: process.geteuid?.() });
    expect(hung).not.toHaveProperty('actorUid');
  });

  it('R-ISS-9 give each credential the life of one reading of them, however fast they change under load', async () => {
    const lives = [
      [600, 60],
      [1_200, 120],
    ] as const;
    const seen = { x509: new Set<number>(), jwt: new Set<number>() };
    let [over, credentials] = [false, 0];
    const load = async (): Promise<void> => {
      const workload = await mayfly.workload(10001);
      for (let n = 0; !over; n++) {
        const { claims } = readToken(first(await workload.jwt([`reports-${n}`])).svid);
        seen.jwt.add(Number(claims['exp']) - Number(claims['iat']));
        seen.x509.add(Math.round(await lifeOfNext()));
        credentials += 2;
      }
    };
    const change = async (round: number): Promise<void> => {
      const [x509, jwt] = lives[round % 2] ?? lives[0];
      settings(`x509_svid_ttl: ${x509}s\njwt_svid_ttl: ${jwt}s\n`);
      await mayfly.operator.reloadConfig();
    };
    await change(0);
    const loads = [load(), load()];
    for (let round = 1; round < 30 || credentials < 20; round++) await change(round);
    over = true;
    await Promise.all(loads);
    // What is signed begins ten seconds before it is, and both ends are whole seconds.
    expect([...seen.x509].filter((life) => ![610, 609, 1_210, 1_209].includes(life))).toEqual([]);
    expect([...seen.jwt].filter((life) => life !== 60 && life !== 120)).toEqual([]);
  });

  it('do not touch a stream that is open', () => expect(stream.waiting).toBe(0));
});
