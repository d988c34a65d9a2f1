/** One call of an operator that is larger than anything that a workload may send: it is one call, as long as it is. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startMayfly } from './fixture.ts';

const entries = 8_000;

it('takes many megabytes of entries in one call of the command line, all of them or none', async () => {
  await using mayfly = await startMayfly();
  const file = join(mayfly.directory, 'entries.ndjson');
  const entry = (_: unknown, i: number): string =>
    JSON.stringify({
      spiffeId: `spiffe://example.org/bulk/${i}`,
      selectors: [`unix:uid:${50_000 + i}`],
      owner: 'ada',
      description: 'x'.repeat(1_000),
    });
  writeFileSync(file, Array.from({ length: entries }, entry).join('\n'));
  const { status, stderr } = await mayfly.command('entry', 'create', '--file', file);
  expect({ status, stderr: stderr.slice(0, 500) }).toMatchObject({ status: 0 });
  expect((await mayfly.operator.status()).entries).toBe(entries);
  const again = await mayfly.command('entry', 'create', '--file', file);
  expect(again.stderr).toContain('already');
  expect((await mayfly.operator.status()).entries).toBe(entries);
}, 120_000);
