import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bareCaller } from './callers.ts';
import { launcher, type Mayfly, run, startMayfly } from './fixture.ts';
import { grpc } from './workload.ts';

describe('callers that the kernel cannot name here', () => {
  it('SE-05 a user whom this user namespace does not know appears as 65534, and no entry can be for that', async () => {
    await using mayfly = await startMayfly({ prefix: ['unshare', '--user', '--map-root-user'], nobodyYet: true });
    for (const selector of ['unix:uid:65534', 'unix:gid:65534']) await createInside(mayfly, '--user', selector);
    for (const uid of [10001, 65534]) {
      const caller = await mayfly.workload(uid);
      const { code, messages } = await caller.call('FetchX509SVID');
      expect(messages).toEqual([]);
      expect([grpc.permissionDenied, grpc.unavailable]).toContain(code);
    }
  });

  it('SE-04 a process of which this pid namespace knows nothing is owed nothing, whatever its uid', async () => {
    const prefix = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child=SIGKILL'];
    await using mayfly = await startMayfly({ prefix, stopSignal: 'SIGKILL', nobodyYet: true });
    await createInside(mayfly, '--pid', 'unix:uid:10001');
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

/**
 * The operator has to be where the server is: out here it is as unknown to it as any other. A refusal to create such an
 * entry at all is as good.
 */
async function createInside(mayfly: Mayfly, namespace: '--user' | '--pid', selector: string): Promise<void> {
  const server = namespace === '--pid' ? childOf(mayfly.pid) : mayfly.pid;
  const enter = [namespace, '--mount', '--preserve-credentials', '--target', String(server)];
  const env = { ...process.env, MAYFLY_ADMIN_SOCKET: mayfly.adminSocket };
  const spiffeId = `spiffe://example.org/${selector.replaceAll(':', '-')}`;
  const entry = ['--spiffe-id', spiffeId, '--selector', selector, '--owner', 'ada'];
  await run('nsenter', [...enter, launcher, 'person', 'add', 'ada', '--name', 'Ada'], { env });
  const { status, stderr } = await run('nsenter', [...enter, launcher, 'entry', 'create', ...entry], { env });
  if (status !== 0) expect(stderr).toContain('65534');
}

const childOf = (pid: number): number =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);

/** A client in one line, for a process that must not need this file. */
const client = (socket: string): string => `
  const http2 = require('node:http2'), net = require('node:net');
  const session = http2.connect('http://localhost', { createConnection: () => net.connect(${JSON.stringify(socket)}) });
  const headers = { ':method': 'POST', ':path': '/SpiffeWorkloadAPI/FetchX509SVID', 'content-type': 'application/grpc' };
  const stream = session.request({ ...headers, te: 'trailers', 'workload.spiffe.io': 'true' });
  stream.on('data', (bytes) => { process.stdout.write(bytes.toString('latin1'), () => process.exit()); });
  stream.on('end', () => process.exit(1));
  stream.end(Buffer.alloc(5));
  setTimeout(() => process.exit(2), 60000);`;
