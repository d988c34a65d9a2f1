/** The registry's database file, changed in places: it is refused, or it holds what it held. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRegistry, type Registry } from '../../../src/registry/registry.ts';
import { systemRandom } from '../../../src/runtime/random.ts';
import { TrustDomain } from '../../../src/spiffe/id.ts';
import { FakeClock } from '../../fakes/clock.ts';
import { promise, type Target } from '../engine/target.ts';
import { edit, edited } from './edits.ts';

const path = join(mkdtempSync(join(tmpdir(), 'registry-')), 'registry.db');
const sidecars = ['-wal', '-shm', '-journal'];
const open = (): Promise<Registry> =>
  openRegistry({
    path,
    key: Buffer.alloc(32, 1),
    clock: new FakeClock(),
    random: systemRandom,
    trustDomain: TrustDomain.parse('example.org'),
  });

export async function registryFile(): Promise<Target> {
  const base = await filled();
  const expected = await contents();
  const page = 4096;
  return {
    seeds: [
      Buffer.alloc(0),
      edit(0, 16, 2, Buffer.of(0x02, 0x00)),
      edit(0, 18, 2, Buffer.of(1, 1)),
      edit(0, 28, 4, Buffer.of(0xff, 0xff, 0xff, 0xff)),
      edit(0, 100, 8, Buffer.of(0x0d, 0, 0, 0xff, 0xff, 0, 0, 0)),
      edit(0, page, 1, Buffer.of(5)),
      edit(0, page + 8, 2, Buffer.of(0, 0)),
      edit(0, base.indexOf('spiffe://example.org/1') + 20, 1, 'x'),
      edit(0, base.indexOf('people ('), 6, 'PEOPLE'),
      edit(0, base.length, 0, Buffer.alloc(200)),
      edit(0, 5 * page, 255, ''),
    ],
    run: async (input) => {
      for (const suffix of sidecars) rmSync(path + suffix, { force: true });
      writeFileSync(path, edited([{ name: path, bytes: base }], input)[0]?.bytes ?? base, { mode: 0o600 });
      promise((await contents()) === expected, 'what is believed is what was written');
    },
  };
}

async function filled(): Promise<Buffer> {
  const registry = await open();
  await registry.addPerson({ id: 'ada', name: 'Ada Byron' });
  await registry.addPerson({ id: 'bob', name: 'Bob' });
  const selectors = ['unix:uid:1000', 'unix:path:/usr/bin/web'];
  const drafts = Array.from({ length: 12 }, (_, n) => ({
    spiffeId: `spiffe://example.org/${n}`,
    selectors,
    owner: 'ada',
  }));
  await registry.createEntries(drafts);
  await registry.setPersonEnabled('bob', false);
  await registry.close();
  return readFileSync(path);
}

async function contents(): Promise<string> {
  const registry = await open();
  try {
    return JSON.stringify([registry.people(), registry.list(), registry.version]);
  } finally {
    await registry.close();
  }
}
