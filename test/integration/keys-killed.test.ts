/** R-KEY-2 with real processes: an issuer is killed twice at each step on the way to a key, in every place where keys can be. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diskJournal, Journal } from '../../src/authority/journal.ts';
import type { Failpoint } from '../../src/runtime/failpoints.ts';
import { TrustDomain } from '../../src/spiffe/id.ts';
import { type KeyPlace, keyPlaces } from '../fakes/key-places.ts';
import { Issuer, type Trap } from '../fault/issuer.ts';
import { newDirectory } from './fixture.ts';

const steps: readonly Failpoint[] = [
  'authority.planned',
  'key.generated',
  'authority.key-made',
  'authority.described',
  'authority.prepared-journaled',
];
const elsewhere = Object.entries(keyPlaces).filter(([kind]) => kind !== 'disk');

describe.each(elsewhere)('keys in %s', (_, open) => {
  let place: KeyPlace;
  beforeAll(async () => {
    place = await open();
  });
  afterAll(() => place[Symbol.asyncDispose]());

  it.each(steps)(
    'R-KEY-2 killed twice at %s: the third start has one key for each authority, and there is no other',
    async (at) => {
      const prefix = `${at.replaceAll('.', '-')}-`.slice(-20);
      const directory = newDirectory();
      const settings = join(directory, 'mayfly.yaml');
      writeFileSync(settings, `keys: ${place.written(prefix.replace(/^-/, ''))}\n`);
      const trap: Trap = { at, action: 'kill' };
      for (const traps of [[trap], [trap], []]) {
        const issuer = start(directory, settings, traps, place.environment);
        const served = await issuer.ready;
        expect(served === undefined, `it was killed at ${at}`).toBe(traps.length > 0);
        if (!issuer.ended) issuer.signal('SIGTERM');
        await issuer.exited;
      }
      const journal = Journal.open(
        diskJournal(join(directory, 'data', 'authorities.json')),
        TrustDomain.parse('example.org'),
      );
      const { authorities, planned } = journal.content;
      expect(authorities.map(({ kind, state }) => `${kind} ${state}`)).toEqual(['x509 active', 'jwt active']);
      expect(planned).toEqual([]);
      const names = await place.open(prefix.replace(/^-/, '')).names();
      expect([...names].sort()).toEqual(authorities.map(({ kind, id }) => `${kind}-${id}`).sort());
      expect(place.strays?.() ?? 0).toBe(0);
      rmSync(directory, { recursive: true });
    },
  );
});

function start(directory: string, settings: string, traps: readonly Trap[], env: KeyPlace['environment'] = {}): Issuer {
  const where = ['--data-dir', join(directory, 'data'), '--socket', join(directory, 'run', 'api.sock')];
  const flags = ['--trust-domain', 'example.org', ...where, '--admin-socket', join(directory, 'admin', 'admin.sock')];
  return new Issuer({ flags: [...flags, '--config', settings], log: join(directory, 'log'), traps, env });
}
