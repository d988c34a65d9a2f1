import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Stage } from '../attack/stage.ts';
import { startWorkload } from './workload.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mayfly-'));
  chmodSync(directory, 0o755);
});
afterEach(() => rmSync(directory, { recursive: true }));

it.each(['EMFILE', 'ENOMEM'])(
  'R-RES-1 a connection that cannot be served for %s is cut, and nothing else is',
  async (code) => {
    await using stage = await Stage.open(directory);
    await stage.operator.create({ spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:20001'] });
    const endpoint = `unix://${join(directory, 'run', 'api.sock')}`;
    await using served = await startWorkload(endpoint, 20_001);
    expect((await served.x509()).svids).toHaveLength(1);
    await stage.issuer.arm({ at: 'peer.heard', action: `error ${code}` });
    await using cut = await startWorkload(endpoint, 20_001);
    await expect(cut.x509()).rejects.toThrow();
    expect((await served.x509()).svids).toHaveLength(1);
    await using next = await startWorkload(endpoint, 20_001);
    expect((await next.x509()).svids).toHaveLength(1);
    expect(stage.log).toContain('could not be served');
  },
);
