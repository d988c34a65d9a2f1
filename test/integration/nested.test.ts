/** Two real issuers, one below the other: openssl and the other's Workload API judge by the bundle of the one above alone. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { certificates } from './documents.ts';
import { first, type Mayfly, newDirectory, startMayfly, until } from './fixture.ts';
import { decodeJwtSvidResponse } from './wire.ts';
import { grpc, startWorkload } from './workload.ts';

const [above, below] = [newDirectory(), newDirectory()];
const file = (name: string): string => join(below, name);
const openssl = (...args: readonly string[]): string =>
  execFileSync('openssl', args, { cwd: below, stdio: 'pipe', encoding: 'utf8' });
let up: Mayfly;
let down: Mayfly;

async function startAbove(): Promise<void> {
  writeFileSync(join(above, 'mayfly.yaml'), 'levels_below: 1\n');
  up = await startMayfly({ directory: above, flags: ['--config', join(above, 'mayfly.yaml')] });
}

async function startBelow(): Promise<void> {
  writeFileSync(file('mayfly.yaml'), `upstream: { kind: mayfly, admin_socket: ${up.adminSocket}, timeout: 5s }\n`);
  down = await startMayfly({ directory: below, flags: ['--config', file('mayfly.yaml')] });
}

async function stop(mayfly: Mayfly): Promise<void> {
  mayfly.operator[Symbol.dispose]();
  await mayfly.stop();
}

beforeAll(async () => {
  await startAbove();
  await startBelow();
  for (const { operator } of [up, down]) {
    await operator.addPerson('ada');
    await operator.create({
      ...{ spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:10001'], audiences: ['reports'] },
    });
  }
});
afterAll(async () => {
  await down?.[Symbol.asyncDispose]();
  await up?.[Symbol.asyncDispose]();
});

/** Of a newcomer below: its SVIDs, judged by what the one above publishes and by nothing else. */
async function believedAbove(): Promise<{ readonly chain: number; readonly serial: string }> {
  await using newcomer = await startWorkload(down.endpoint, 10001);
  const { x509Svid } = first((await newcomer.x509()).svids);
  const [leaf, ...intermediates] = certificates(x509Svid).map((one) => one.toString());
  writeFileSync(file('leaf.pem'), leaf ?? '');
  writeFileSync(file('intermediates.pem'), intermediates.join(''));
  writeFileSync(file('bundle.pem'), (await up.command('bundle', 'show')).stdout);
  const trust = ['-x509_strict', '-CAfile', 'bundle.pem', '-untrusted', 'intermediates.pem'];
  expect(openssl('verify', ...trust, 'leaf.pem')).toContain('OK');
  const [token] = decodeJwtSvidResponse(first((await newcomer.call('FetchJWTSVID')).messages)).svids;
  await using neighbour = await startWorkload(up.endpoint, 10001);
  expect((await neighbour.validate('reports', token?.svid ?? '')).code).toBe(grpc.ok);
  return { chain: 1 + intermediates.length, serial: certificates(x509Svid)[1]?.serialNumber ?? '' };
}

const bundleOf = async (mayfly: Mayfly): Promise<unknown> => {
  const { keys } = JSON.parse((await mayfly.command('bundle', 'show', '--format', 'spiffe')).stdout);
  return new Set((keys as object[]).map((key) => JSON.stringify(key)));
};
const sameBundle = (): Promise<void> =>
  until('both publish the same', async () => {
    const [one, other] = [await bundleOf(up), await bundleOf(down)];
    return JSON.stringify([...(one as Set<string>)].sort()) === JSON.stringify([...(other as Set<string>)].sort());
  });

it('XC-19 what is signed below is believed by the bundle of the one above, and that is on record', async () => {
  expect((await believedAbove()).chain).toBe(2);
  await sameBundle();
  const certified = await up.operator.records({ kind: 'downstream.certified' });
  const [authority] = (await down.operator.authorities()).filter(({ kind }) => kind === 'x509');
  expect(certified.map(({ json }) => JSON.parse(json))).toMatchObject([{ below: authority?.id, levelsBelow: 0 }]);
  expect(await up.operator.records({ kind: 'downstream.key-published' })).toHaveLength(1);
  expect((await down.operator.records({ kind: 'upstream.heard' })).length).toBeGreaterThan(0);
});

it('XR-11 an authority above that is revoked is followed at once, on a stream that is open', async () => {
  await using workload = await startWorkload(down.endpoint, 10001);
  const stream = workload.open('FetchX509SVID');
  await stream.next();
  const before = await believedAbove();
  const { stdout } = await up.command('authority', 'list', '--json');
  const { id } = first(
    (JSON.parse(stdout).authorities as { kind: string; id: string }[]).filter(({ kind }) => kind === 'x509'),
  );
  const force = ['--force-active', '--force-unpublished', '--force-unexpired'];
  const { status, stderr } = await up.command('authority', 'revoke', 'x509', '--id', id, ...force);
  expect(status, stderr).toBe(0);
  await stream.next();
  await sameBundle();
  expect((await believedAbove()).serial).not.toBe(before.serial);
  stream.cancel();
});

it('row 14 without the one above it serves, starts, and says what it waits for; then it goes on', async () => {
  await stop(up);
  await until('it is told', () => down.output.includes('the issuer above is not heard'));
  const { status, stderr } = await down.command('authority', 'rotate', 'x509', '--force-unpublished');
  expect([status, stderr]).toEqual([8, expect.stringContaining('the issuer above')]);
  await stop(down);
  writeFileSync(
    file('mayfly.yaml'),
    `upstream: { kind: mayfly, admin_socket: ${join(above, 'admin', 'admin.sock')} }\n`,
  );
  down = await startMayfly({ directory: below, flags: ['--config', file('mayfly.yaml')] });
  await using workload = await startWorkload(down.endpoint, 10001);
  expect(certificates(first((await workload.x509()).svids).x509Svid)).toHaveLength(2);
  await startAbove();
  await until('it is heard', () => down.output.includes('the issuer above is heard again'));
  const rotated = await down.command('authority', 'rotate', 'x509', '--force-unpublished');
  expect(rotated.status, rotated.stderr).toBe(0);
  await sameBundle();
  await believedAbove();
});

it('R-AUD-1 the certificate of the one below is taken back by its serial number, and is on the list of the one above', async () => {
  const { serial } = await believedAbove();
  const { status, stderr } = await up.command('credential', 'revoke', '--serial', serial, '--reason', 'keyCompromise');
  expect(status, stderr).toBe(0);
  await using neighbour = await startWorkload(up.endpoint, 10001);
  const { crl } = await neighbour.x509();
  const lists = crl.map((der) => openssl('crl', '-inform', 'DER', '-noout', '-text', '-in', derFile(der)));
  expect(lists.join('').replaceAll(/\s/g, '')).toContain(`SerialNumber:${serial}`);
});

it('R-ISS-2 an issuer whose settings do not say so has nobody below it', async () => {
  await using other = await startMayfly({
    impatient: true,
    flags: ['--config', file('other.yaml')],
    directory: otherDirectory(),
  });
  expect(await other.exited).toBe(6);
  expect(other.output).toContain('levels_below: 1');
});

const derFile = (der: Buffer): string => {
  writeFileSync(file('list.der'), der);
  return 'list.der';
};

function otherDirectory(): string {
  writeFileSync(file('other.yaml'), `upstream: { kind: mayfly, admin_socket: ${down.adminSocket} }\n`);
  return newDirectory();
}
