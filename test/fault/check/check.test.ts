/**
 * The judge of the fault runs is judged: real evidence of a real issuer is found good, and each lie that is told with it
 * is named, by the invariant that it breaks.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../integration/fixture.ts';
import { Scene } from '../scene.ts';
import { Doctored } from './doctored.ts';
import { liesOfCredentials } from './lies-of-credentials.ts';
import { liesOfRecords } from './lies-of-records.ts';
import type { Invariant } from './report.ts';

const root = mkdtempSync(join(tmpdir(), 'mayfly-check-'));
const directory = join(root, 'scene');
const uids = [41_990, 41_991];

/** Two lives, two workloads, orders of every kind, and a new authority. */
beforeAll(async () => {
  chmodSync(root, 0o755);
  const scene = await Scene.open({ directory, seed: 1, uids, lives: { ca: 10, x509: 6, jwt: 5 } });
  await scene.start();
  await until('everybody has an SVID', () => uids.every((uid) => scene.lastSvid(uid) !== undefined), 20_000);
  for (let count = 0; count < 12; count++) await scene.operator.order(scene.operator.newEntry(41_990, 'ada'));
  await scene.operator.order({ do: 'set-person', person: 'grace', enabled: false });
  await scene.operator.order({ do: 'delete-entry', id: scene.operator.entries.at(-1)?.id ?? '' });
  const serial = scene.held(41_990).find((name) => !name.includes('-'));
  expect(await scene.operator.order({ do: 'revoke', credential: serial ?? '' })).toBe(0);
  await scene.operator.look();
  scene.history.write({ t: 'fault', kind: 'test', what: 'killed' });
  await scene.kill();
  await scene.start();
  const before = scene.operator.bundle;
  await until(
    'there is another bundle',
    async () => {
      await scene.operator.look();
      return scene.operator.bundle !== before;
    },
    20_000,
  );
  await scene.watcher.expect(true, 5_000, 'the start');
  await scene.operator.look();
  await scene.stop();
  await scene.close();
}, 90_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Doctors a copy, and says what is found in it. */
function found(doctor: (evidence: Doctored) => void): string[] {
  using evidence = new Doctored(directory);
  doctor(evidence);
  return evidence.check().broken.map(({ invariant, what }) => `${invariant} ${what}`);
}

describe('the checker of the fault runs', () => {
  it('finds real evidence good, and has held something against every invariant', () => {
    using evidence = new Doctored(directory);
    const { checked, broken, counts } = evidence.check();
    expect(broken).toEqual([]);
    const all = Array.from({ length: 14 }, (_, index) => `I${index + 1}` as Invariant);
    expect(all.filter((invariant) => !checked[invariant])).toEqual([]);
    expect(counts['X.509-SVIDs']).toBeGreaterThan(4);
    expect(counts['JWT-SVIDs']).toBeGreaterThan(4);
  });

  it('finds a ledger good that was only chained anew, so that what follows is what is found', () => {
    expect(found((evidence) => evidence.ledger((records) => records))).toEqual([]);
  });

  it.each([...liesOfCredentials, ...liesOfRecords])('names it when %s', (_, sentence, doctor) => {
    expect(found(doctor)).toContainEqual(expect.stringMatching(sentence));
  });
});
