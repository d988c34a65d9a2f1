/** One credential is taken back: its holder has another at once, and nobody believes the old one. */
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { authorizeMemberOf, tlsServerOptions, X509Source } from '../../src/sdk/sdk.ts';
import { leafOf } from './documents.ts';
import { first, type Mayfly, startMayfly, until } from './fixture.ts';
import { decodeX509BundlesResponse, decodeX509SvidResponse } from './wire.ts';
import { grpc, type Stream, type Workload } from './workload.ts';

const spiffeId = 'spiffe://example.org/web';
let mayfly: Mayfly;
let workload: Workload;
let neighbour: Workload;
let stream: Stream;

beforeAll(async () => {
  mayfly = await startMayfly();
  await mayfly.operator.create({ spiffeId, selectors: ['unix:uid:10001'], audiences: ['reports'] });
  [workload, neighbour] = await Promise.all([mayfly.workload(10001), mayfly.workload(10001)]);
  stream = workload.open('FetchX509SVID');
  await stream.next();
});
afterAll(() => mayfly?.[Symbol.asyncDispose]());

const held = () => decodeX509SvidResponse(stream.newest() ?? Buffer.alloc(0));
const serial = (): string => leafOf(first(held().svids).x509Svid).serialNumber;
const pem = (what: string, der: Buffer): string =>
  `-----BEGIN ${what}-----\n${der.toString('base64')}\n-----END ${what}-----\n`;

/** As a stranger would: chain, dates and the revocation list. */
function verified(leaf: Buffer, root: Buffer, crl: Buffer): string {
  const file = (name: string, text: string): string => {
    writeFileSync(join(mayfly.directory, name), text);
    return join(mayfly.directory, name);
  };
  const words = ['verify', '-crl_check', '-x509_strict', '-CAfile', file('root.pem', pem('CERTIFICATE', root))];
  const files = ['-CRLfile', file('crl.pem', pem('X509 CRL', crl)), file('leaf.pem', pem('CERTIFICATE', leaf))];
  const { stdout, stderr } = spawnSync('openssl', [...words, ...files], { encoding: 'utf8' });
  return stdout + stderr;
}

async function revoke(...words: string[]): Promise<void> {
  const { status, stderr } = await mayfly.command('credential', 'revoke', ...words);
  expect(status, stderr).toBe(0);
}

describe('an X.509-SVID that is revoked', () => {
  let before: { readonly leaf: Buffer; readonly root: Buffer };

  it('was good to openssl with the list that the Workload API brought', () => {
    const { svids, crl } = held();
    before = { leaf: first(svids).x509Svid, root: first(svids).bundle };
    expect(crl).toHaveLength(1);
    expect(verified(before.leaf, before.root, first(crl))).toContain('leaf.pem: OK');
  });

  it('is replaced on the open stream of its holder, and of nobody else', async () => {
    const other = leafOf(first((await neighbour.x509()).svids).x509Svid).serialNumber;
    const old = serial();
    await revoke('--serial', old, '--reason', 'keyCompromise');
    await until('the holder has another', () => serial() !== old);
    expect(leafOf(first((await neighbour.x509()).svids).x509Svid).serialNumber).toBe(other);
  });

  it('is bad to openssl with the list that came, and what replaced it is good', async () => {
    await until('the list came', () => first(held().crl).length > 0);
    const { svids, crl } = held();
    expect(verified(before.leaf, before.root, first(crl))).toContain('certificate revoked');
    expect(verified(first(svids).x509Svid, before.root, first(crl))).toContain('leaf.pem: OK');
    const bundles = decodeX509BundlesResponse(await workload.open('FetchX509Bundles').next());
    expect(bundles.crl).toEqual(crl);
  });

  it('is remembered over a restart, and who ordered it', async () => {
    await mayfly.stop('SIGKILL');
    mayfly.operator[Symbol.dispose]();
    mayfly = await startMayfly({ directory: mayfly.directory });
    workload = await mayfly.workload(10001);
    stream = workload.open('FetchX509SVID');
    await stream.next();
    expect(verified(before.leaf, before.root, first(held().crl))).toContain('certificate revoked');
    const { stdout } = await mayfly.command('credential', 'list', '--json');
    const [revocation] = JSON.parse(stdout).revocations;
    expect(revocation).toMatchObject({ spiffeId, owner: 'ada', reason: 'keyCompromise', jti: null });
    const [record] = await mayfly.operator.records({ kind: 'credential.revoked' });
    expect(JSON.parse(record?.json ?? '{}')).toMatchObject({ actorUid: process.geteuid?.(), spiffeId });
  });
});

describe('a JWT-SVID that is revoked', () => {
  it('is refused, is not served again, and its successor is good', async () => {
    const token = first(await workload.jwt(['reports'])).svid;
    expect((await workload.validate('reports', token)).code).toBe(grpc.ok);
    const { jti } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    await revoke('--jti', jti);
    const refused = await workload.validate('reports', token);
    expect(refused).toMatchObject({ code: grpc.invalidArgument, text: 'The JWT-SVID is not valid' });
    const next = first(await workload.jwt(['reports'])).svid;
    expect(next).not.toBe(token);
    expect((await workload.validate('reports', next)).code).toBe(grpc.ok);
  });
});

describe('a peer whose SVID is revoked', () => {
  it('is dismissed by a server of our SDK at once, and not let in again', async () => {
    await mayfly.operator.create({ spiffeId: `${spiffeId}/peer`, selectors: [`unix:uid:${process.geteuid?.()}`] });
    await mayfly.command('fetch', 'x509', '--write', join(mayfly.directory, 'svid'));
    const read = (name: string): Buffer => readFileSync(join(mayfly.directory, 'svid', name));
    const identity = { cert: read('svid.pem'), key: read('key.pem'), ca: read('bundle.pem') };
    await using source = await X509Source.open({ address: mayfly.endpoint });
    const options = tlsServerOptions(source, authorizeMemberOf('example.org'));
    const server = options.attach(
      tls.createServer(options, (socket) => socket.on('error', () => undefined).write('hello')),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const connect = () => tls.connect({ port, host: '127.0.0.1', checkServerIdentity: () => undefined, ...identity });
    const guest = connect().on('error', () => undefined);
    expect(String((await once(guest, 'data'))[0])).toBe('hello');
    const dismissed = once(guest, 'close');
    await revoke('--serial', new X509Certificate(identity.cert).serialNumber);
    await dismissed;
    const again = connect().on('error', () => undefined);
    let heard = false;
    again.on('data', () => {
      heard = true;
    });
    await once(again, 'close');
    expect(heard).toBe(false);
    server.close();
  });
});

describe('what cannot be revoked', () => {
  it.each([
    [['--serial', 'abcdef'], 4, /no credential on record has that name; see what was issued: mayfly ledger list/],
    [['--serial', 'ab', '--jti', 'x'], 2, /name a --serial or a --jti/],
    [[], 2, /name a --serial or a --jti/],
    [['--serial', 'ab', '--reason', 'because'], 2, /reason/],
  ] as const)('%j is refused with %i and a sentence', async (words, status, sentence) => {
    const outcome = await mayfly.command('credential', 'revoke', ...words);
    expect([outcome.status, outcome.stderr]).toEqual([status, expect.stringMatching(sentence)]);
  });
});
