import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeCa, type Issued, pemOf } from '../../test/fakes/ca.ts';
import { eventually } from '../../test/fakes/eventually.ts';
import { agentOf, ask, closeAll, knock, listen, serve, workload } from '../../test/fakes/tls-scene.ts';
import { authorizeAny, authorizeId, authorizeIf } from './authorize.ts';
import { tlsClientOptions } from './tls-client.ts';
import { tlsServerOptions } from './tls-server.ts';

const ca = new FakeCa('example.org');
const foreign = new FakeCa('other.org');
const server = ca.issue('/server');
const client = ca.issue('/client');

afterEach(closeAll);

describe('a server', () => {
  it('rotates while it runs: new connections meet the newest SVID and roots, with both roots in between', async () => {
    const next = new FakeCa('example.org');
    const mine = await workload(server, [ca]);
    const { port } = await serve(mine);
    const old = agentOf(await workload(client, [ca, next]));
    const renewed = agentOf(await workload(next.issue('/client'), [ca, next]));
    await ask(port, old);
    await expect(ask(port, renewed)).rejects.toThrow();

    await mine.rotate(next.issue('/renewed'), [ca, next]);
    old.destroy();
    expect(await ask(port, old)).toMatchObject({ server: 'spiffe://example.org/renewed' });
    expect(await ask(port, renewed)).toMatchObject({ server: 'spiffe://example.org/renewed' });

    await mine.rotate(next.issue('/renewed'), [next]);
    old.destroy();
    await expect(ask(port, old)).rejects.toThrow();
    await ask(port, renewed);
  });

  const impostor = ca.issue('/x', { uris: ['spiffe://other.org/client'] });
  const strangers: readonly [string, Issued][] = [
    ['of a trust domain without a bundle', new FakeCa('stranger.org').issue('/client')],
    ['whose trust domain is another than its root, though both are known', impostor],
    ["that presents the authority's own certificate", ca.itself()],
    ['with two SPIFFE IDs', ca.issue('/x', { uris: [client.id, server.id] })],
    ['with none', ca.issue('/x', { uris: ['https://example.org/client'] })],
    ['that has expired', ca.issue('/client', { notBefore: Date.now() - 9_000, notAfter: Date.now() - 5_000 })],
  ];

  it.each(strangers)('WA-23 XC-20 refuses a peer %s, before its first byte', async (_who, stranger) => {
    const { port, asked } = await serve(await workload(server, [ca], [foreign]));
    await expect(knock(port, pemOf(stranger))).rejects.toThrow();
    expect(asked).toEqual([]);
  });

  it('refuses a peer without a certificate', async () => {
    const { port, asked } = await serve(await workload(server, [ca]));
    await expect(knock(port, {})).rejects.toThrow();
    expect(asked).toEqual([]);
  });

  it('refuses a peer that is not authorized, tells the operator, and no listener sees it', async () => {
    const { port, asked, refused, https } = await serve(await workload(server, [ca]), authorizeId(server.id));
    const seen: unknown[] = [];
    https.prependListener('secureConnection', (socket) => seen.push(socket));
    await expect(ask(port, agentOf(await workload(client, [ca])))).rejects.toThrow();
    await eventually('the error', () => refused.length > 0);
    expect(refused[0]).toMatchObject({ code: 'permission-denied', message: 'The peer is not authorized.' });
    expect([asked, seen]).toEqual([[], []]);
  });

  it('refuses a peer when the predicate fails', async () => {
    const broken = authorizeIf(() => {
      throw new Error('directory is away');
    });
    const { port, asked } = await serve(await workload(server, [ca]), broken);
    await expect(knock(port, pemOf(client))).rejects.toThrow();
    expect(asked).toEqual([]);
  });

  it('SE-21 resumes no session, so that a revoked peer cannot come back by one', async () => {
    const mine = await workload(server, [ca], [foreign]);
    const { port } = await serve(mine);
    const peer = foreign.issue('/client');
    const { session } = await knock(port, pemOf(peer));
    const again = await knock(port, { ...pemOf(peer), ...(session && { session }) });
    expect(again.reused).toBe(false);
    await mine.rotate(server, [ca]);
    await expect(knock(port, { ...pemOf(peer), ...(session && { session }) })).rejects.toThrow();
  });

  it('R-TLS-1 makes openssl s_client shake hands in full again, whatever session it kept', async () => {
    const { port, asked } = await serve(await workload(server, [ca]));
    const directory = mkdtempSync(join(tmpdir(), 'mayfly-tls-'));
    const file = (name: string, text = ''): string => {
      const path = join(directory, name);
      if (text !== '') writeFileSync(path, text);
      return path;
    };
    const { cert, key } = pemOf(client);
    const us = ['-cert', file('cert.pem', cert), '-key', file('key.pem', key)];
    const them = ['-CAfile', file('ca.pem', pemOf(ca.itself()).cert), '-connect', `127.0.0.1:${port}`];
    const session = file('session.pem');
    const talk = async (...more: readonly string[]): Promise<string> => {
      const judge = spawn('openssl', ['s_client', ...us, ...them, ...more], { stdio: ['pipe', 'pipe', 'ignore'] });
      judge.stdin.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
      return await text(judge.stdout);
    };
    try {
      expect(await talk('-sess_out', session)).toContain('New, TLSv1.3');
      const kept = existsSync(session) ? ['-sess_in', session] : [];
      const again = await talk(...kept);
      expect(again).toContain('New, TLSv1.3');
      expect(again).not.toContain('Reused');
      expect(asked).toEqual([client.id, client.id]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('SE-21 speaks no TLS before 1.3', async () => {
    const { port } = await serve(await workload(server, [ca]));
    await expect(knock(port, { ...pemOf(client), maxVersion: 'TLSv1.2' })).rejects.toThrow(/version/);
  });

  it('asks again about open connections when a bundle changes', async () => {
    const mine = await workload(server, [ca], [foreign]);
    const { port } = await serve(mine);
    const { source } = await workload(foreign.issue('/client'), [foreign], [ca]);
    const stays = connect({
      port,
      host: '127.0.0.1',
      ...pemOf(client),
      ca: pemOf(ca.itself()).cert,
      checkServerIdentity: () => undefined,
    });
    const goes = connect({ port, host: '127.0.0.1', ...tlsClientOptions(source, authorizeAny()) });
    for (const socket of [stays, goes]) socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await Promise.all([once(stays, 'data'), once(goes, 'data')]);
    await mine.rotate(server, [ca]);
    await once(goes, 'close');
    stays.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await once(stays, 'data');
    stays.destroy();
  });

  it('refuses everybody until it is attached', async () => {
    const { source } = await workload(server, [ca]);
    const port = await listen(
      createServer(tlsServerOptions(source, authorizeAny()), (_, response) => response.end('hi')),
    );
    await expect(knock(port, pemOf(client))).rejects.toThrow();
  });

  it('WA-26 refuses everybody while its identity is withdrawn, also when it is attached meanwhile', async () => {
    const mine = await workload(server, [ca]);
    const before = await serve(mine);
    const agent = agentOf(await workload(client, [ca]));
    await mine.withdraw();
    await expect(ask(before.port, agent)).rejects.toThrow();
    const { port } = await serve(mine);
    await expect(ask(port, agent)).rejects.toThrow();
    await mine.rotate(server, [ca]);
    await ask(port, agent);
  });
});
