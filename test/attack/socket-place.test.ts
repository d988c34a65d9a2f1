import { chmodSync, existsSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pause, startMayfly, until } from '../integration/fixture.ts';
import { decodeX509SvidResponse } from '../integration/wire.ts';
import { grpc } from '../integration/workload.ts';

describe('the place of the socket', () => {
  it('row 30: removed, replaced by a socket or a link, or opened to others, it is noticed within 5 s, told by /readyz, and bound again; open streams are kept', async () => {
    const port = await freePort();
    await using mayfly = await startMayfly({ flags: ['--http', `127.0.0.1:${port}`] });
    const entry = await mayfly.operator.create({
      spiffeId: 'spiffe://example.org/web',
      selectors: ['unix:uid:10001'],
    });
    const workload = await mayfly.workload(10001);
    const held = workload.open('FetchX509SVID');
    await held.next();
    const ready = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/readyz`)).text();
    const victim = join(mayfly.directory, 'victim');
    writeFileSync(victim, 'untouched', { mode: 0o600 });
    const impostor = net.createServer((socket) => socket.end('roots of a stranger'));
    const spoilt = [
      () => rmSync(mayfly.socket),
      () => {
        rmSync(mayfly.socket);
        impostor.listen(mayfly.socket);
      },
      () => {
        rmSync(mayfly.socket);
        symlinkSync(victim, mayfly.socket);
      },
    ];
    let told = 0;
    for (const spoil of spoilt) {
      spoil();
      told += 1;
      await until('it is noticed', () => mayfly.output.split('has been bound again').length > told);
      expect(await ready()).toContain('has been bound again');
      await using fresh = await mayfly.workload(10001);
      expect((await fresh.call('FetchX509SVID')).code).toBe(grpc.ok);
    }
    expect(existsSync(victim)).toBe(true);

    chmodSync(dirname(mayfly.socket), 0o777);
    await until('the open directory is noticed', async () => (await ready()).includes('can be written by others'));
    chmodSync(dirname(mayfly.socket), 0o755);
    await until('it is ready again', async () => !/written|bound/.test(await ready()), 60_000);

    await mayfly.operator.update(entry, { hint: 'still here' });
    expect(decodeX509SvidResponse(await held.next()).svids.map(({ hint }) => hint)).toEqual(['still here']);
    impostor.close();
  });
});

async function freePort(): Promise<number> {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const { port } = probe.address() as net.AddressInfo;
  probe.close();
  await pause(10);
  return port;
}
