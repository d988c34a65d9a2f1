/** The clock is set, an hour forwards or back, under an issuer that serves; or the machine sleeps and wakes up later. */
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Broken } from '../broken.ts';
import type { Work } from '../lane.ts';
import type { Scene } from '../scene.ts';
import { fakeClock } from '../surroundings.ts';

const hourMs = 3_600_000;
/** Half of that on a machine of its own. */
const healsWithinMs = 60_000;

export const jumpClock =
  (count: number): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    const clock = await startWithClock(scene);
    while (tally.injected < count && !lane.over) {
      // Two hours around the truth, so that it goes back as often as forth.
      const forwards = scene.aheadMs <= -hourMs || (scene.aheadMs < hourMs && scene.chance.below(2) === 0);
      scene.history.write({ t: 'fault', kind: tally.kind, what: forwards ? 'an hour forwards' : 'an hour back' });
      clock.set(scene.aheadMs + (forwards ? hourMs : -hourMs));
      tally.inject(forwards ? 15 : 16, forwards ? 'an hour forwards' : 'an hour back');
      for (let order = 0; order < 3; order++) await scene.operator.anything();
      note(tally, await healed(scene));
      await scene.operator.look();
    }
  };

/** Stopped as a whole while the clock goes on: monotonic time, on which timers run, stands still in a sleeping machine. */
export const sleepAndWake =
  (count: number): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    const clock = await startWithClock(scene);
    while (tally.injected < count && !lane.over) {
      scene.history.write({ t: 'fault', kind: tally.kind, what: 'asleep' });
      scene.issuer.signal('SIGSTOP');
      await pause(50);
      clock.set(scene.aheadMs + hourMs / 2 + scene.chance.below(2 * hourMs));
      scene.history.write({ t: 'resumed' });
      scene.issuer.signal('SIGCONT');
      tally.inject(17, 'asleep beyond the life of an SVID');
      note(tally, await healed(scene));
      await scene.operator.look();
    }
  };

/** The process alone is stopped for longer than an SVID and an authority live. */
export const stopAndGo =
  (count: number): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    await scene.start();
    while (tally.injected < count && !lane.over) {
      scene.history.write({ t: 'fault', kind: tally.kind, what: 'stopped' });
      scene.issuer.signal('SIGSTOP');
      await pause(11_000 + scene.chance.below(2_000));
      scene.history.write({ t: 'resumed' });
      scene.issuer.signal('SIGCONT');
      tally.inject(17, 'stopped beyond the life of an SVID');
      note(tally, await healed(scene));
      await scene.operator.look();
    }
  };

const note = (tally: Parameters<Work>[0]['tally'], ms: number): void => {
  tally.worst('ms until every stream had a valid SVID again, at worst', ms);
};

async function startWithClock(scene: Scene): Promise<{ set(aheadMs: number): void }> {
  const file = join(scene.directory, 'clock');
  const set = (aheadMs: number): void => {
    scene.clockSet(aheadMs);
    writeFileSync(file, `${aheadMs < 0 ? '-' : '+'}${Math.abs(aheadMs) / 1000}`);
  };
  set(0);
  const { FAKETIME: _, ...env } = fakeClock('');
  await scene.start({ env: { ...env, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: '1' } });
  return { set };
}

/** Resolves, with the time it took, once each workload has been given SVIDs that are valid by the issuer's clock. */
async function healed(scene: Scene): Promise<number> {
  const begun = performance.now();
  for (const uid of scene.uids) {
    while (!isValidAt(Date.now() + scene.aheadMs, scene.lastSvid(uid))) {
      if (!scene.alive) scene.complain('it ended when the clock was set');
      if (performance.now() - begun > healsWithinMs)
        throw new Broken(`uid ${uid} has no valid SVID ${healsWithinMs} ms after the clock was set`);
      await pause(20);
    }
  }
  return performance.now() - begun;
}

function isValidAt(now: number, chain: string | undefined): boolean {
  if (chain === undefined) return false;
  const leaf = new X509Certificate(Buffer.from(chain, 'base64'));
  return Date.parse(leaf.validFrom) <= now && now < Date.parse(leaf.validTo);
}
