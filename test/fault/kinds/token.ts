/** The token that holds the keys is pulled out under load, for a moment or for a good part of an authority's life. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SoftHsm, softHsmModule } from '../../fakes/softhsm.ts';
import type { Work } from '../lane.ts';

const longestAwayMs = 4_000;
const longestBackMs = 3_000;

export const pullToken =
  (count: number): Work =>
  async ({ scene, tally, ...lane }) => {
    using hsm = new SoftHsm('mayfly');
    const place = `{ kind: pkcs11, module: ${softHsmModule()}, token: mayfly, pin_file: ${hsm.pinFile} }`;
    appendFileSync(join(scene.directory, 'settings.yaml'), `keys: ${place}\n`);
    await scene.start({ env: hsm.environment });
    while (tally.injected < count && !lane.over) {
      scene.history.write({ t: 'fault', kind: tally.kind, what: 'token pulled out' });
      hsm.remove();
      tally.inject(14, 'a token pulled out');
      await scene.watcher.expect(false, 10_000, 'the token was away');
      await pause(scene.chance.below(longestAwayMs));
      hsm.insert();
      await scene.watcher.expect(true, 15_000, 'the token was back');
      await pause(scene.chance.below(longestBackMs));
    }
    // What the lane starts at its end finds no token at all, and serves what needs none.
    await scene.stop();
  };
