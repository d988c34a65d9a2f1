import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Behaviour, FakeBundleEndpoint, saying, webCertificate } from '../../test/fakes/bundle-endpoint.ts';
import { FakeCa } from '../../test/fakes/ca.ts';
import { FakeClock } from '../../test/fakes/clock.ts';
import type { Relationship } from '../registry/registry.ts';
import { systemClock } from '../runtime/clock.ts';
import { fetcher } from '../runtime/http.ts';
import type { Bundle } from '../spiffe/bundle.ts';
import { SpiffeId, TrustDomain } from '../spiffe/id.ts';
import { encodePem } from '../x509/pem.ts';
import { fetchBundle } from './fetch-bundle.ts';

const partner = TrustDomain.parse('partner.example');
const document = '{"keys":[],"spiffe_sequence":1}';
const webCa = new FakeCa('web.example');
const ca = new FakeCa(partner);
const endpointId = 'spiffe://partner.example/mayfly/bundle-endpoint';

let endpoint: FakeBundleEndpoint;
beforeAll(async () => {
  endpoint = await FakeBundleEndpoint.listen(webCertificate(webCa), saying(document));
});
afterAll(() => endpoint[Symbol.asyncDispose]());
beforeEach(() => {
  endpoint.behave = saying(document);
  endpoint.show(webCertificate(webCa));
  endpoint.requests.length = 0;
});

const relationship = (more: Partial<Relationship> = {}): Relationship => ({
  trustDomain: partner,
  endpointUrl: endpoint.url,
  profile: 'https_web',
  endpointSpiffeId: undefined,
  roots: encodePem('CERTIFICATE', webCa.certificate),
  privateAddresses: true,
  createdAt: 0,
  ...more,
});
const spiffe = (more: Partial<Relationship> = {}): Relationship =>
  relationship({ profile: 'https_spiffe', endpointSpiffeId: SpiffeId.parse(endpointId), roots: '', ...more });

const bundleOf = (...x509Authorities: Buffer[]): Bundle => ({
  trustDomain: partner,
  x509Authorities,
  jwtAuthorities: [],
  sequence: undefined,
  refreshHintSeconds: undefined,
});
const fetch = (from: Relationship, known: Bundle | undefined = bundleOf(ca.certificate), clock = systemClock) =>
  fetchBundle(
    from,
    { fetch: fetcher({ clock }), clock, bundleOf: (name) => (name === partner ? known : undefined) },
    new AbortController().signal,
  );
const refused = (code: string, message: RegExp): unknown =>
  expect.objectContaining({ name: 'IdentityError', code, message: expect.stringMatching(message) });

describe('https_web', () => {
  it('FD-02 takes the bundle from a server that its authorities vouch for', async () => {
    expect(await fetch(relationship())).toBe(document);
    expect(endpoint.requests).toMatchObject([{ url: '/bundle' }]);
  });

  it.each([
    [
      'a certificate of an authority that is not believed',
      () => webCertificate(new FakeCa('other.example')),
      /SIGNATURE|ISSUER|CERT/,
    ],
    ['another host’s certificate', () => webCa.issue('/x', { uris: [], dnsNames: ['other.example'] }), /ALTNAME/],
    [
      'an expired certificate',
      () => webCa.issue('/x', { uris: [], addresses: ['127.0.0.1'], notAfter: Date.now() - 1000 }),
      /EXPIRED/,
    ],
    [
      'FD-40 an X.509-SVID, which the other profile is for',
      () => ca.issue('/mayfly/bundle-endpoint'),
      /profile is https_spiffe/,
    ],
  ])('FD-15 refuses %s', async (_, certificate, message) => {
    endpoint.show(certificate());
    await expect(fetch(relationship())).rejects.toThrow(refused('unavailable', message));
    expect(endpoint.requests).toEqual([]);
  });

  it('FD-15 without roots of its own, believes the public authorities alone', async () => {
    await expect(fetch(relationship({ roots: '' }))).rejects.toThrow(refused('unavailable', /not trusted.*--roots/));
  });
});

describe('https_spiffe', () => {
  const good = () => ca.issue('/mayfly/bundle-endpoint');

  it('FD-02 FD-21 takes the bundle from whoever has the SPIFFE ID, whatever the host is called', async () => {
    endpoint.show(good());
    expect(await fetch(spiffe())).toBe(document);
  });

  it.each([
    ['another ID of the same trust domain', () => ca.issue('/other'), /is spiffe:\/\/partner.example\/other and not/],
    ['the authority itself', () => ca.itself(), /not trusted|not show a valid/],
    ['two URIs', () => ca.issue('/x', { uris: [endpointId, `${endpointId}/2`] }), /not show a valid X.509-SVID/],
    ['an expired one', () => ca.issue('/mayfly/bundle-endpoint', { notAfter: Date.now() - 1000 }), /EXPIRED/],
    [
      'one of a foreign authority',
      () => new FakeCa(partner).issue('/mayfly/bundle-endpoint'),
      /not in the stored bundle/,
    ],
    ['FD-40 a certificate of the web', () => webCertificate(webCa), /the profile is https_web/],
  ])('FD-21 FD-17 refuses %s', async (_, certificate, message) => {
    endpoint.show(certificate());
    await expect(fetch(spiffe())).rejects.toThrow(refused('unavailable', message));
    expect(endpoint.requests).toEqual([]);
  });

  it('FD-25 is judged by the newest bundle that is stored: a root that was dropped is no longer enough', async () => {
    const next = new FakeCa(partner);
    endpoint.show(next.issue('/mayfly/bundle-endpoint'));
    expect(await fetch(spiffe(), bundleOf(ca.certificate, next.certificate))).toBe(document);
    endpoint.show(good());
    await expect(fetch(spiffe(), bundleOf(next.certificate))).rejects.toThrow(/not trusted/);
  });

  it('FD-26 fails closed without a bundle of the endpoint’s trust domain, and says what to bring', async () => {
    const advice = /no X.509 authority of partner.example.*mayfly bundle set partner.example/;
    for (const known of [undefined, bundleOf()]) {
      const lacking = fetchBundle(
        spiffe(),
        { fetch: fetcher({ clock: systemClock }), clock: systemClock, bundleOf: () => known },
        new AbortController().signal,
      );
      await expect(lacking).rejects.toThrow(refused('failed-precondition', advice));
    }
    expect(endpoint.requests).toEqual([]);
  });
});

describe('a hostile endpoint', () => {
  const head = { 'content-type': 'application/json' };
  const behaviours: readonly (readonly [string, Behaviour, RegExp])[] = [
    [
      'redirects to the metadata of a cloud',
      redirecting('http://169.254.169.254/latest/'),
      /redirects to "http:.*not followed/,
    ],
    ['redirects to itself, without end', redirecting('/bundle'), /redirects/],
    [
      'redirects for ever',
      (_, response) => void response.writeHead(308, { location: 'https://x/' }).end(),
      /redirects/,
    ],
    [
      'answers with a bundle that is an error',
      (_, response) => void response.writeHead(500, head).end(document),
      /status 500/,
    ],
    ['has nothing', (_, response) => void response.writeHead(404, head).end(document), /status 404/],
    ['answers with nothing that is a bundle', (_, response) => void response.writeHead(204).end(), /status 204/],
    [
      'answers with a page',
      (_, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end(document),
      /content type is "text\/html"/,
    ],
    [
      'does not say what it answers with',
      (_, response) => void response.writeHead(200).end(document),
      /content type is ""/,
    ],
    [
      'answers compressed, to be unpacked',
      (_, response) => void response.writeHead(200, { ...head, 'content-encoding': 'gzip' }).end(document),
      /compressed/,
    ],
    [
      'announces 100 MiB',
      (_, response) => void response.writeHead(200, { ...head, 'content-length': 100 * 1024 * 1024 }).write('{'),
      /exceeds 1048576 bytes/,
    ],
    ['never ends its body', endless, /exceeds 1048576 bytes/],
    [
      'has huge headers',
      (_, response) => void response.writeHead(200, { ...head, 'x-huge': 'x'.repeat(64 * 1024) }).end(document),
      /headers exceed/,
    ],
    ['breaks off', breakingOff, /cannot be reached|ECONNRESET/],
    ['does not speak HTTP', (request) => void request.socket.end('SSH-2.0-x\r\n'), /does not speak HTTPS/],
    [
      'answers in another encoding',
      (_, response) => void response.writeHead(200, head).end(Buffer.of(0xff, 0xfe, 0x7b, 0)),
      /not UTF-8/,
    ],
  ];

  it.each(behaviours)('FD-41 that %s is refused', async (_, behave, message) => {
    endpoint.behave = behave;
    await expect(fetch(relationship())).rejects.toThrow(refused('unavailable', message));
    expect(endpoint.requests).toHaveLength(1);
  });

  it.each<readonly [string, Behaviour]>([
    ['never answers', () => undefined],
    ['drips a byte at a time', (_, response) => void response.writeHead(200, head).write('{')],
    [
      'sends news of an answer for ever',
      (_, response) => void setInterval(() => response.writeProcessing(), 5).unref(),
    ],
  ])('FD-41 that %s is given up after ten seconds', async (_, behave) => {
    const clock = new FakeClock(Date.now());
    const asked = new Promise<void>((resolve) => {
      endpoint.behave = (request, response) => {
        behave(request, response);
        resolve();
      };
    });
    const fetching = fetch(relationship(), undefined, clock);
    const outcome = expect(fetching).rejects.toThrow(refused('unavailable', /did not answer within 10 s/));
    await asked;
    await clock.advance(10_000);
    await outcome;
  });

  it('FD-41 that accepts and says nothing, not even hello, is given up after ten seconds', async () => {
    const clock = new FakeClock(Date.now());
    const silent = net
      .createServer((socket) => void socket.on('error', () => undefined).resume())
      .listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as net.AddressInfo;
    const connected = once(silent, 'connection');
    const outcome = expect(
      fetch(relationship({ endpointUrl: `https://127.0.0.1:${port}/` }), undefined, clock),
    ).rejects.toThrow(/did not answer within 10 s/);
    await connected;
    await clock.advance(10_000);
    await outcome;
    silent.close();
  });

  it('FD-18 is asked at the configured URL again, wherever it pointed', async () => {
    endpoint.behave = redirecting('/elsewhere');
    for (let count = 0; count < 2; count++) await expect(fetch(relationship())).rejects.toThrow(/redirects/);
    expect(endpoint.requests.map(({ url }) => url)).toEqual(['/bundle', '/bundle']);
  });

  it('leaves no connection behind', async () => {
    endpoint.behave = endless;
    await expect(fetch(relationship())).rejects.toThrow(/exceeds/);
    await expect.poll(() => endpoint.connections, { timeout: 30_000 }).toBe(0);
  });
});

describe('R-NET-3 an address', () => {
  it('inside is not connected to unless the relationship says so', async () => {
    const outside = relationship({ privateAddresses: false });
    await expect(fetch(outside)).rejects.toThrow(refused('unavailable', /address 127.0.0.1 is not one of the public/));
    const named = relationship({ privateAddresses: false, endpointUrl: `https://localhost:${endpoint.port}/` });
    await expect(fetch(named)).rejects.toThrow(/not one of the public/);
    expect(endpoint.connections).toBe(0);
  });

  it.each(['https://0x7f000001/', 'https://2130706433/', 'https://[::ffff:7f00:1]/', 'https://[::1]/'])(
    'inside is recognised however it is written: %s',
    async (endpointUrl) => {
      const outside = relationship({ privateAddresses: false, endpointUrl });
      await expect(fetch(outside)).rejects.toThrow(/not one of the public/);
    },
  );

  it('that a name leads to is looked up once: what was checked is what is connected to', async () => {
    const answers = [['127.0.0.1'], ['169.254.169.254']];
    const looked: string[] = [];
    const resolve = async (name: string) => {
      looked.push(name);
      return answers.shift() ?? [];
    };
    const body = await fetcher({ clock: systemClock, resolve })({
      url: `https://localhost:${endpoint.port}/bundle`,
      trust: { ca: encodePem('CERTIFICATE', webCa.certificate) },
      contentType: 'application/json',
      longestBody: 1024,
      privateAddresses: true,
      signal: new AbortController().signal,
    });
    expect([body.toString(), looked]).toEqual([document, ['localhost']]);
  });

  it('of the metadata of a cloud is not connected to, even where private ones are allowed', async () => {
    const metadata = relationship({ endpointUrl: 'https://169.254.169.254/' });
    await expect(fetch(metadata)).rejects.toThrow(/169.254.169.254 is not one of the public internet$/);
  });
});

function redirecting(location: string): Behaviour {
  return (_, response) => void response.writeHead(302, { location }).end();
}

function breakingOff(_: unknown, response: Parameters<Behaviour>[1]): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': 99 });
  response.write('{', () => response.destroy());
}

/** As fast as it is taken. */
function endless(_: unknown, response: Parameters<Behaviour>[1]): void {
  const chunk = randomBytes(64 * 1024);
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.writeHead(200, { 'content-type': 'application/json' }).on('drain', more);
  more();
}
