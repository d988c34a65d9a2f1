import { constants } from 'node:fs';
import { expect, it } from 'vitest';
import { Pipe } from '../fakes/pipe.ts';
import { startMayfly } from './fixture.ts';

it('R-NET-5 nobody waits for whoever reads the log', async () => {
  using log = new Pipe(constants.O_NONBLOCK);
  log.fill();
  const prefix = ['sh', '-c', `exec "$@" 2> ${log.path}`, 'sh'];
  await using mayfly = await startMayfly({ prefix });
  await mayfly.operator.create({ spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:20001'] });
  // Each is a line of the log.
  for (let count = 0; count < 3; count++) {
    mayfly.process.kill('SIGHUP');
    const workload = await mayfly.workload(20_001);
    expect((await workload.x509()).svids).toHaveLength(1);
  }
  expect(log.text.trim()).toBe('');
  await expect.poll(() => log.text.trim(), { timeout: 30_000 }).toContain('"level":"info"');
  expect(await mayfly.stop()).toBe(0);
  expect(log.text).toContain('"msg":"stopping"');
});
