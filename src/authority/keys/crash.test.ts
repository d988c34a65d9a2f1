/** R-KEY-2 in every place: whatever is cut, there is no key that the journal does not know, and the next start uses it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { durable, Fuse, type Machine, machine, optionsOf } from '../../../test/fakes/authority.ts';
import { FakeClock } from '../../../test/fakes/clock.ts';
import { type KeyPlace, keyPlaces } from '../../../test/fakes/key-places.ts';
import { openAuthority } from '../authority.ts';
import { keyName } from '../preparation.ts';

let count = 0;
const startOver = (place: KeyPlace): Machine => ({ ...machine(new FakeClock()), keys: place.open(`run${++count}-`) });

/** Keys that the journal does not speak of. */
async function unknown(on: Machine): Promise<string[]> {
  const { authorities, planned, discarded } = durable(on);
  const known = new Set([...authorities, ...planned, ...discarded].map(keyName));
  return (await on.keys.names()).filter((name) => !known.has(name));
}

async function die(on: Machine, fuse: Fuse): Promise<void> {
  await openAuthority(fuse.wire(optionsOf(on), on)).then(
    (authority) => authority.close(),
    () => undefined,
  );
}

/** One of each kind signs, its keys are there, and no others. */
async function expectSound(on: Machine, place: KeyPlace): Promise<void> {
  const authority = await openAuthority(optionsOf(on));
  const known = authority.authorities();
  await authority.close();
  expect(known.map(({ kind, state }) => `${kind} ${state}`).sort()).toEqual(['jwt active', 'x509 active']);
  expect([...(await on.keys.names())].sort()).toEqual(known.map(({ kind, id }) => `${kind}-${id}`).sort());
  expect(place.strays?.() ?? 0).toBe(0);
}

describe.each(Object.entries(keyPlaces))('keys in %s', (_, start) => {
  let place: KeyPlace;
  beforeAll(async () => {
    place = await start();
  });
  afterAll(() => place[Symbol.asyncDispose]());

  it('R-KEY-2 a crash at every step, twice: no key is left that nobody knows of, and the next start uses it', async () => {
    for (let at = 1, blown = true; blown; at++) {
      const on = startOver(place);
      const fuses = [new Fuse(at, 'after'), new Fuse(at, 'before')];
      for (const fuse of fuses) await die(on, fuse);
      blown = fuses.every((fuse) => fuse.blown);
      expect(await unknown(on)).toEqual([]);
      expect(durable(on).planned.length).toBeLessThanOrEqual(2);
      await expectSound(on, place);
    }
  });

  it.each([
    ['request', 'for good'],
    ['answer', 'for good'],
    ['answer', 'once'],
  ] as const)('R-KEY-2 one %s that is lost, %s, each in turn: no second key', async (loses, times) => {
    const { server } = place;
    if (server === undefined) return;
    for (let passes = 0; passes < stepsOfOneKey; passes++) {
      server.cut = { passes, loses, times };
      const on = startOver(place);
      await die(on, new Fuse(1000, 'after'));
      server.cut = undefined;
      expect(await unknown(on)).toEqual([]);
      expect(durable(on).planned.length).toBeLessThanOrEqual(2);
      await expectSound(on, place);
    }
  });
});

/** Requests until the first authority is published; the second one's are the same. */
const stepsOfOneKey = 8;
