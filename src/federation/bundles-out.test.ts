import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { type RequestOptions, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { machine, optionsOf, trustDomain } from '../../test/fakes/authority.ts';
import { webCertificate } from '../../test/fakes/bundle-endpoint.ts';
import { FakeCa, type Issued, pemOf } from '../../test/fakes/ca.ts';
import { FakeClock } from '../../test/fakes/clock.ts';
import { LedgerDirectory } from '../../test/fakes/ledger-directory.ts';
import { type Authority, openAuthority } from '../authority/authority.ts';
import type { Ledger, LedgerEvent } from '../ledger/ledger.ts';
import { createLog } from '../runtime/log.ts';
import { createMetrics } from '../runtime/metrics.ts';
import { systemRandom } from '../runtime/random.ts';
import { parseBundle } from '../spiffe/bundle.ts';
import { SpiffeId } from '../spiffe/id.ts';
import { verifyX509Svid } from '../spiffe/x509-svid.ts';
import { encodePem } from '../x509/pem.ts';
import { type BundlesOut, type EndpointPlace, startBundlesOut } from './bundles-out.ts';

const webCa = new FakeCa('web.example');
const roots = encodePem('CERTIFICATE', webCa.certificate);
const endpointId = SpiffeId.parse('spiffe://example.org/mayfly/bundle-endpoint');

let directory: string;
let clock: FakeClock;
let authority: Authority;
let records: LedgerDirectory;
let ledger: Ledger;
let out: BundlesOut;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'endpoint-'));
  // OpenSSL's clock is the system's.
  clock = new FakeClock(Date.now());
  authority = await openAuthority(optionsOf(machine(clock), { caTtlSeconds: 3600, x509SvidTtlSeconds: 600 }));
  records = new LedgerDirectory('memory');
  ledger = await records.open();
});
afterEach(async () => {
  await out.close();
  await authority.close();
  await ledger.close();
  records[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

const web: EndpointPlace = {
  ...{ host: '127.0.0.1', port: 0, path: '/bundle', profile: 'https_web', connectionsPerSecond: 200 },
  get certificate() {
    return join(directory, 'tls.crt');
  },
  get key() {
    return join(directory, 'tls.key');
  },
};
const spiffe: EndpointPlace = {
  ...{ host: '127.0.0.1', port: 0, path: '/', profile: 'https_spiffe', connectionsPerSecond: 200 },
};

function place(certificate: Issued): void {
  const { cert, key } = pemOf(certificate);
  for (const [name, text] of [
    ['tls.key', key],
    ['tls.crt', cert],
  ] as const) {
    writeFileSync(join(directory, `${name}.new`), text);
    renameSync(join(directory, `${name}.new`), join(directory, name));
  }
}

async function serve(...endpoints: EndpointPlace[]): Promise<void> {
  place(webCertificate(webCa));
  out = await startBundlesOut({
    ...{ endpoints, publish: [], trustDomain, authority, ledger, clock, random: systemRandom },
    ...{ log: createLog('silent'), metrics: createMetrics() },
  });
}

/** Time passes until another authority is in the bundle; to make one takes some time of the real clock as well. */
async function successor(): Promise<void> {
  const known = authority.bundle.value.x509Authorities.length;
  const minuteLater = async (): Promise<number> => {
    await clock.advance(60_000);
    return authority.bundle.value.x509Authorities.length;
  };
  await expect.poll(minuteLater, { interval: 20, timeout: 30_000 }).toBeGreaterThan(known);
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

async function ask(path = '/bundle', options: RequestOptions = {}): Promise<Answer> {
  const call = request(`${out.addresses[0]}${path}`, { ca: roots, agent: false, ...options }).end();
  const [response] = await once(call, 'response');
  let body = '';
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode, headers: response.headers, body };
}

/** What the server shows, as an X509-SVID that the bundle of now vouches for. */
async function shown(): Promise<{ readonly id: string; readonly serial: string }> {
  const port = Number(new URL(out.addresses[0] ?? '').port);
  const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { raw, serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  const id = verifyX509Svid([raw], () => authority.bundle.value.x509Authorities, clock.now());
  return { id, serial: serialNumber };
}

describe('a bundle endpoint', () => {
  it('FD-01 FD-10 FD-12 FD-13 BF-01 BF-05 BF-09 gives the bundle to whoever asks', async () => {
    await serve(web);
    const { status, headers, body } = await ask();
    expect([status, headers['content-type']]).toEqual([200, 'application/json']);
    expect(JSON.parse(body)).toMatchObject({
      spiffe_sequence: expect.any(Number),
      spiffe_refresh_hint: expect.any(Number),
    });
    expect(parseBundle(trustDomain, body)).toMatchObject({ ...authority.bundle.value, jwtAuthorities: [{}] });
  });

  it('BF-20 BF-30 publishes authorities that are self-signed, and a key of its own for each kind of SVID', async () => {
    await serve(web);
    const { keys } = JSON.parse((await ask()).body) as { keys: { use: string; x: string; x5c?: string[] }[] };
    const [x509, jwt] = ['x509-svid', 'jwt-svid'].map((use) => keys.filter((key) => key.use === use));
    for (const { x5c = [] } of x509 ?? []) {
      const certificate = new X509Certificate(Buffer.from(x5c[0] ?? '', 'base64'));
      expect(certificate.verify(certificate.publicKey)).toBe(true);
    }
    expect(jwt?.map(({ x }) => x)).not.toEqual(x509?.map(({ x }) => x));
  });

  it('FD-11 BF-06 gives the newest at once: a greater number when something changed', async () => {
    await serve(web);
    const before = JSON.parse((await ask()).body);
    await successor();
    const after = JSON.parse((await ask()).body);
    expect(after.spiffe_sequence).toBeGreaterThan(before.spiffe_sequence);
    expect(after.keys.length).toBeGreaterThan(before.keys.length);
  });

  it('BF-07 says the same in the same words, and 304 to whoever has it', async () => {
    await serve(web);
    const [first, again] = [await ask(), await ask()];
    expect(again.body).toBe(first.body);
    const etag = String(first.headers['etag']);
    for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      expect(await ask('/bundle', { headers: { 'if-none-match': tag } })).toMatchObject({ status: 304, body: '' });
    }
    expect(await ask('/bundle', { headers: { 'if-none-match': '"other"' } })).toMatchObject({ status: 200 });
    const hint = JSON.parse(first.body).spiffe_refresh_hint;
    expect(first.headers['cache-control']).toBe(`public, max-age=${Math.floor(hint / 5)}, must-revalidate`);
  });

  it('answers HEAD without a body', async () => {
    await serve(web);
    const { status, headers, body } = await ask('/bundle', { method: 'HEAD' });
    expect([status, body]).toEqual([200, '']);
    expect(Number(headers['content-length'])).toBeGreaterThan(100);
  });

  it('gives the revocation lists of the authorities beside it, the newest at once', async () => {
    await serve(web);
    const lists = async () => (await ask('/bundle/crls.pem')).body.match(/BEGIN X509 CRL/g)?.length;
    expect([await lists(), (await ask('/bundle/crls.pem')).headers['cache-control']]).toEqual([1, 'no-cache']);
    const before = (await ask('/bundle/crls.pem')).body;
    const id = authority.active.value.x509?.id ?? '';
    const [revokedAt, expiresAt] = [clock.now(), clock.now() + 60_000];
    await authority.revoke({ authority: id, serial: 'abcd', revokedAt, expiresAt, reason: 'keyCompromise' });
    expect((await ask('/bundle/crls.pem')).body).not.toBe(before);
  });

  it('FD-42 refuses other methods and paths, in words that are no bundle', async () => {
    await serve(web);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const { status, headers, body } = await ask('/bundle', { method });
      expect([method, status, headers['allow'], body]).toEqual([method, 405, 'GET, HEAD', 'only GET and HEAD\n']);
    }
    for (const path of ['/', '/bundle/', '/bundle/../x', '/%00', '/healthz']) {
      expect([path, (await ask(path)).status]).toEqual([path, 404]);
    }
  });

  it.each([
    ['TLS 1.3', { minVersion: 'TLSv1.3' }],
    ['TLS 1.2 with AEAD', { maxVersion: 'TLSv1.2' }],
  ] as const)('FD-03 speaks %s', async (_, options) => {
    await serve(web);
    expect((await ask('/bundle', options)).status).toBe(200);
  });

  it.each([
    ['TLS 1.1', { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }],
    ['CBC', { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA256' }],
    ['RSA key exchange', { maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' }],
  ] as const)('FD-03 does not speak %s', async (_, options) => {
    await serve(web);
    await expect(ask('/bundle', options)).rejects.toThrow();
  });

  it('resumes no session: each connection proves the certificate of now', async () => {
    await serve(web);
    const { port } = new URL(out.addresses[0] ?? '');
    const connect = async (session?: Buffer) => {
      const resumed = session === undefined ? {} : { session };
      const socket = tls.connect({ host: '127.0.0.1', port: Number(port), ca: roots, ...resumed });
      const tickets: Buffer[] = [];
      socket.on('session', (ticket) => tickets.push(ticket));
      await once(socket, 'secureConnect');
      const reused = socket.isSessionReused();
      socket.end('GET /bundle HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n').resume();
      await once(socket, 'close');
      return { ticket: tickets[0], reused };
    };
    const first = await connect();
    expect(await connect(first.ticket)).toMatchObject({ reused: false });
  });

  it('is not held up by whoever says hello slowly, or by one who opens too many connections', {
    timeout: 60_000,
  }, async () => {
    await serve(web);
    const { port } = new URL(out.addresses[0] ?? '');
    const connect = () =>
      tls.connect({ host: '127.0.0.1', port: Number(port), ca: roots }).on('error', () => undefined);
    const slow = Array.from({ length: 100 }, connect);
    for (const socket of slow) socket.on('secureConnect', () => socket.write('GET /bundle HTTP/1.1\r\nx-slow: '));
    const gone = Promise.all(slow.map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    await gone;
    expect((await ask()).status).toBe(200);
  });

  it('takes no more new connections a second than the settings say, whoever they are of, and serves those that it took', async () => {
    await serve({ ...spiffe, connectionsPerSecond: 5 });
    const start = performance.now();
    let taken = 0;
    for (let tries = 0; tries < 60; tries++) {
      taken += await shown().then(
        () => 1,
        () => 0,
      );
    }
    expect(taken).toBeGreaterThanOrEqual(10);
    expect(taken).toBeLessThanOrEqual(10 + 1 + ((performance.now() - start) / 1000) * 5);
    await expect.poll(shown, { timeout: 30_000 }).toMatchObject({ id: endpointId });
  });
});

describe('https_web', () => {
  it('FD-08 FD-09 shows any certificate it is given, and the new one when the files change', async () => {
    await serve(web);
    const next = new FakeCa('next.example');
    const nextRoots = encodePem('CERTIFICATE', next.certificate);
    await expect(ask('/bundle', { ca: nextRoots })).rejects.toThrow(/certificate/);
    place(webCertificate(next));
    await clock.advance(2_000);
    expect((await ask('/bundle', { ca: nextRoots })).status).toBe(200);
  });

  it('reads the files at once when told', async () => {
    await serve(web);
    const next = new FakeCa('next.example');
    place(webCertificate(next));
    out.reread();
    expect((await ask('/bundle', { ca: encodePem('CERTIFICATE', next.certificate) })).status).toBe(200);
  });

  it.each([
    ['not PEM', () => writeFileSync(join(directory, 'tls.crt'), 'nonsense'), /not PEM/],
    [
      'half of a pair',
      () => writeFileSync(join(directory, 'tls.key'), pemOf(webCertificate(webCa)).key),
      /not that of its/,
    ],
    ['gone', () => rmSync(join(directory, 'tls.key')), /does not exist/],
  ])('keeps the last certificate where the new one is %s, and says so until it is good', async (_, spoil, problem) => {
    await serve(web);
    spoil();
    out.reread();
    expect(out.problems()).toEqual([expect.stringMatching(problem)]);
    expect((await ask()).status).toBe(200);
    place(webCertificate(webCa));
    out.reread();
    expect(out.problems()).toEqual([]);
  });

  it('goes, comes and stays as the settings say from now on; one that stays is not disturbed', async () => {
    await serve(web, spiffe);
    const [kept, gone] = out.addresses;
    const socket = tls.connect({
      port: Number(new URL(kept ?? '').port),
      host: '127.0.0.1',
      rejectUnauthorized: false,
    });
    await once(socket, 'secureConnect');
    await out.serveAt([web, { ...spiffe, path: '/other' }]);
    expect([out.addresses.length, out.addresses[0], socket.destroyed]).toEqual([2, kept, false]);
    socket.destroy();
    expect(out.addresses).not.toContain(gone);
    const taken = Number(new URL(kept ?? '').port);
    await expect(out.serveAt([web, { ...spiffe, port: taken }])).rejects.toThrow(`cannot listen on 127.0.0.1:${taken}`);
    expect([out.addresses, out.problems()]).toEqual([[kept], [expect.stringContaining(`127.0.0.1:${taken}`)]]);
    await out.serveAt([web]);
    expect([out.addresses, out.problems()]).toEqual([[kept], []]);
  });

  it('does not start with a certificate that it cannot use', async () => {
    await serve(web);
    rmSync(join(directory, 'tls.crt'));
    const again = startBundlesOut({
      ...{ endpoints: [web], publish: [], trustDomain, authority, ledger, clock, random: systemRandom },
      ...{ log: createLog('silent'), metrics: createMetrics() },
    });
    await expect(again).rejects.toThrow(/cannot open .*tls.crt/);
  });
});

describe('https_spiffe', () => {
  const issued = async (): Promise<LedgerEvent[]> => {
    const found: LedgerEvent[] = [];
    for await (const { event } of ledger.query({ kind: 'x509-svid.issued' })) found.push(event);
    return found;
  };

  it('FD-22 shows an X509-SVID of this trust domain, on record, and renews it under the running server', async () => {
    await serve(spiffe);
    const first = await shown();
    expect(first.id).toBe(endpointId);
    expect(await issued()).toMatchObject([
      { serial: first.serial.toLowerCase(), spiffeId: endpointId, owner: 'mayfly' },
    ]);
    await clock.advance(301_000);
    await expect.poll(async () => (await issued()).length, { timeout: 30_000 }).toBe(2);
    const second = await shown();
    expect([second.id, second.serial === first.serial]).toEqual([endpointId, false]);
  });

  it('has the SPIFFE ID that the settings name, and none of another trust domain', async () => {
    await serve({ ...spiffe, spiffeId: SpiffeId.parse('spiffe://example.org/ours') });
    expect((await shown()).id).toBe('spiffe://example.org/ours');
    const foreign = startBundlesOut({
      endpoints: [{ ...spiffe, spiffeId: SpiffeId.parse('spiffe://other.example/x') }],
      ...{ publish: [], trustDomain, authority, ledger, clock, random: systemRandom },
      ...{ log: createLog('silent'), metrics: createMetrics() },
    });
    await expect(foreign).rejects.toThrow(/must lie in example.org/);
  });

  it('serves both profiles beside each other', async () => {
    await serve(web, spiffe);
    expect(out.addresses).toHaveLength(2);
    expect((await ask()).status).toBe(200);
  });
});

describe('where the bundle is put', () => {
  it('is a file, whole, in each format, and again on every change', async () => {
    const file = (name: string) => join(directory, name);
    out = await startBundlesOut({
      ...{ endpoints: [], trustDomain, authority, ledger, clock, random: systemRandom },
      publish: [
        { to: 'file', path: file('bundle.json'), format: 'spiffe' },
        { to: 'file', path: file('bundle.pem'), format: 'pem' },
        { to: 'file', path: file('jwks.json'), format: 'jwks' },
      ],
      ...{ log: createLog('silent'), metrics: createMetrics() },
    });
    expect(await out.publish()).toMatchObject([{ problem: undefined }, { problem: undefined }, { problem: undefined }]);
    expect(parseBundle(trustDomain, readFileSync(file('bundle.json')))).toMatchObject({
      sequence: authority.bundle.value.sequence,
    });
    expect(readFileSync(file('bundle.pem'), 'utf8').match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
    expect(JSON.parse(readFileSync(file('jwks.json'), 'utf8')).keys).toMatchObject([{ use: 'sig' }]);
    await successor();
    const { sequence } = authority.bundle.value;
    await expect
      .poll(() => parseBundle(trustDomain, readFileSync(file('bundle.json'))).sequence, { timeout: 30_000 })
      .toBe(sequence);
  });

  it('is tried again where it failed, and told until it is there', async () => {
    const path = join(directory, 'missing', 'bundle.json');
    out = await startBundlesOut({
      ...{ endpoints: [], publish: [{ to: 'file', path, format: 'spiffe' }], trustDomain, authority, ledger, clock },
      ...{ random: systemRandom, log: createLog('silent'), metrics: createMetrics() },
    });
    expect(await out.publish()).toMatchObject([{ problem: expect.stringContaining('does not exist') }]);
    expect(out.problems()).toEqual([expect.stringMatching(/^the bundle could not be published to file .*bundle.json/)]);
    mkdirSync(join(directory, 'missing'));
    await clock.advance(5_000);
    expect(out.problems()).toEqual([]);
    expect(readFileSync(path, 'utf8')).toMatch(/^\{"keys":/);
  });
});
