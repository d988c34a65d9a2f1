import { createHmac, hash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FakeBundleEndpoint, webCertificate } from '../../test/fakes/bundle-endpoint.ts';
import { FakeCa } from '../../test/fakes/ca.ts';
import { systemClock as clock } from '../runtime/clock.ts';
import { fetcher } from '../runtime/http.ts';
import { encodePem } from '../x509/pem.ts';
import { type KubernetesPlace, type PublishPlace, publisherOf, type S3Place } from './publishers.ts';

const ca = new FakeCa('store.example');
const body = Buffer.from('{"keys":[]}');

let directory: string;
let server: FakeBundleEndpoint;
const file = (name: string, text: string): string => {
  const path = join(directory, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'publish-'));
  server = await FakeBundleEndpoint.listen(webCertificate(ca), () => undefined);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const origin = () => `https://127.0.0.1:${server.port}`;
const publish = (place: PublishPlace) =>
  publisherOf(place, { fetch: fetcher({ clock }), clock }).publish(
    body,
    'application/json',
    new AbortController().signal,
  );

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** A small store: it keeps what was sent with a signature that it computes by itself. */
class FakeS3 {
  readonly objects = new Map<string, { readonly body: Buffer; readonly contentType: string | undefined }>();

  readonly answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const sent = await read(request);
    const refuse = (status: number, code: string) =>
      response.writeHead(status).end(`<Error><Code>${code}</Code></Error>`);
    if (request.method !== 'PUT') return void refuse(405, 'MethodNotAllowed');
    if (request.headers['authorization'] !== this.#expected(request, sent))
      return void refuse(403, 'SignatureDoesNotMatch');
    if (request.headers['x-amz-content-sha256'] !== hash('sha256', sent, 'hex')) return void refuse(400, 'BadDigest');
    this.objects.set(request.url ?? '', { body: sent, contentType: request.headers['content-type'] });
    response.writeHead(200, { etag: '"x"' }).end();
  };

  #expected({ method, url, headers }: IncomingMessage, sent: Buffer): string {
    const date = String(headers['x-amz-date']);
    const names = /SignedHeaders=([^,]+)/.exec(headers['authorization'] ?? '')?.[1] ?? '';
    const lines = names.split(';').map((name) => `${name}:${headers[name]}\n`);
    const canonical = [method, url, '', lines.join(''), names, hash('sha256', sent, 'hex')].join('\n');
    const scope = [date.slice(0, 8), 'eu-north-1', 's3', 'aws4_request'];
    const mac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();
    const key = scope.reduce<Buffer | string>(mac, 'AWS4secret/+');
    const toSign = ['AWS4-HMAC-SHA256', date, scope.join('/'), hash('sha256', canonical, 'hex')].join('\n');
    const credential = `AWS4-HMAC-SHA256 Credential=AKID/${scope.join('/')}`;
    return `${credential},SignedHeaders=${names},Signature=${mac(key, toSign).toString('hex')}`;
  }
}

describe('an S3-compatible store', () => {
  let store: FakeS3;
  beforeEach(() => {
    store = new FakeS3();
    server.behave = (request, response) => void store.answer(request, response);
  });
  const place = (more: Partial<S3Place> = {}): S3Place => ({
    ...{ to: 's3', format: 'spiffe', bucket: 'trust', key: 'bundles/example.org.json', region: 'eu-north-1' },
    endpoint: origin(),
    credentials: file('credentials', '[default]\naws_access_key_id = AKID\naws_secret_access_key = secret/+\n'),
    roots: file('roots.pem', encodePem('CERTIFICATE', ca.certificate)),
    ...more,
  });

  it('has the bundle under its key, sent with a signature that the store computes as well', async () => {
    await publish(place());
    expect(store.objects).toEqual(
      new Map([['/trust/bundles/example.org.json', { body, contentType: 'application/json' }]]),
    );
  });

  it('takes keys that have to be encoded', async () => {
    await publish(place({ key: "a b/ü/$(x)'.json" }));
    expect([...store.objects.keys()]).toEqual(['/trust/a%20b/%C3%BC/%24%28x%29%27.json']);
  });

  it.each([
    ['other credentials', { credentials: '' }, 'aws_access_key_id=AKID\naws_secret_access_key=wrong\n', /status 403/],
    ['no credentials', { credentials: '' }, '# nothing\n', /no credentials for S3 in/],
  ])('says what is wrong: %s', async (_, more, text, message) => {
    await expect(publish(place({ ...more, credentials: file('other', text) }))).rejects.toThrow(message);
  });

  it('is refused with a certificate that nobody vouches for', async () => {
    const { roots: _, ...others } = place();
    await expect(publish(others)).rejects.toThrow(/certificate is not trusted/);
    expect(store.objects.size).toBe(0);
  });
});

describe('a ConfigMap of Kubernetes', () => {
  const maps = new Map<string, { data: Record<string, string> }>();
  const seen: IncomingMessage[] = [];
  beforeEach(() => {
    maps.clear();
    server.behave = async (request, response) => {
      seen.push(request);
      const sent = JSON.parse((await read(request)).toString());
      const url = new URL(request.url ?? '', origin());
      const applies = request.headers['content-type'] === 'application/apply-patch+yaml' && request.method === 'PATCH';
      if (request.headers['authorization'] !== 'Bearer token-2') return void response.writeHead(401).end();
      if (!applies || url.searchParams.get('fieldManager') === null) return void response.writeHead(415).end();
      const [, namespace, name] = /^\/api\/v1\/namespaces\/([^/]+)\/configmaps\/([^/]+)$/.exec(url.pathname) ?? [];
      if (sent.kind !== 'ConfigMap' || sent.metadata.name !== name) return void response.writeHead(400).end();
      const there = maps.get(`${namespace}/${name}`);
      maps.set(`${namespace}/${name}`, { data: { ...there?.data, ...sent.data } });
      response.writeHead(there === undefined ? 201 : 200, { 'content-type': 'application/json' }).end('{}');
    };
  });
  const place = (): KubernetesPlace => ({
    ...{ to: 'kubernetes', format: 'spiffe', namespace: 'spire', name: 'trust-bundle', key: 'bundle.json' },
    api: origin(),
    token: file('token', 'token-1\n'),
    roots: file('ca.crt', encodePem('CERTIFICATE', ca.certificate)),
  });

  it('is made or changed in one key, with the token and the authorities that the pod has now', async () => {
    const there = place();
    await expect(publish(there)).rejects.toThrow(/status 401/);
    file('token', 'token-2\n');
    await publish(there);
    maps.set('spire/trust-bundle', { data: { 'other.txt': 'kept', 'bundle.json': 'old' } });
    await publish(there);
    expect(maps.get('spire/trust-bundle')).toEqual({ data: { 'other.txt': 'kept', 'bundle.json': body.toString() } });
  });
});
