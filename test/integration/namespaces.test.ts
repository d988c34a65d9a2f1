import { describe, expect, it } from 'vitest';
import { bareCaller } from './callers.ts';
import { run, startMayfly } from './fixture.ts';
import { grpc } from './workload.ts';

describe('callers that the kernel cannot name here', () => {
  it('SE-05 a user whom this user namespace does not know appears as 65534, and no entry can be for that', async () => {
    await using mayfly = await startMayfly({ prefix: ['unshare', '--user', '--map-root-user'] });
    const created = await mayfly.operator
      .create({ spiffeId: 'spiffe://example.org/overflow', selectors: ['unix:uid:65534'] })
      .catch((error: Error) => error);
    await mayfly.operator
      .create({ spiffeId: 'spiffe://example.org/overflow-group', selectors: ['unix:gid:65534'] })
      .catch((error: Error) => error);
    expect(created).toBeDefined();
    for (const uid of [10001, 65534]) {
      const caller = await mayfly.workload(uid);
      expect(await caller.call('FetchX509SVID')).toMatchObject({ code: grpc.permissionDenied, messages: [] });
    }
  });

  it('SE-04 a process of which this pid namespace knows nothing is owed nothing, whatever its uid', async () => {
    const prefix = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child=SIGKILL'];
    await using mayfly = await startMayfly({ prefix, stopSignal: 'SIGKILL' });
    await mayfly.operator.create({ spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:10001'] });
    using caller = bareCaller(mayfly, 10001);
    const answer = await caller.line(0, 1_500).catch(() => 'nothing');
    expect(['closed', 'nothing']).toContain(answer);
    const polite = await mayfly.workload(10001);
    const { code, messages } = await polite.call('FetchX509SVID');
    expect(messages).toEqual([]);
    expect([grpc.permissionDenied, grpc.unavailable]).toContain(code);
  });

  it('SE-04 a process in a pid namespace below ours is known by the pid it has here', async () => {
    await using mayfly = await startMayfly();
    await mayfly.operator.create({ spiffeId: 'spiffe://example.org/root', selectors: ['unix:uid:0'] });
    const env = { ...process.env, SPIFFE_ENDPOINT_SOCKET: mayfly.endpoint };
    const fetch = ['--pid', '--fork', '--kill-child', process.execPath, '-e', client(mayfly.socket)];
    const outcome = await run('unshare', fetch, { env });
    expect(outcome.stdout).toContain('spiffe://example.org/root');
  });
});

/** A client in one line, for a process that must not need this file. */
const client = (socket: string): string => `
  const http2 = require('node:http2'), net = require('node:net');
  const session = http2.connect('http://localhost', { createConnection: () => net.connect(${JSON.stringify(socket)}) });
  const headers = { ':method': 'POST', ':path': '/SpiffeWorkloadAPI/FetchX509SVID', 'content-type': 'application/grpc' };
  const stream = session.request({ ...headers, te: 'trailers', 'workload.spiffe.io': 'true' });
  stream.on('data', (bytes) => { process.stdout.write(bytes.toString('latin1'), () => process.exit()); });
  stream.on('end', () => process.exit(1));
  stream.end(Buffer.alloc(5));
  setTimeout(() => process.exit(2), 5000);`;
