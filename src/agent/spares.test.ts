import { describe, expect, it } from 'vitest';
import { entryOf, machine, optionsOf } from '../../test/fakes/authority.ts';
import { FakeClock } from '../../test/fakes/clock.ts';
import { openAuthority } from '../authority/authority.ts';
import { Spares } from './spares.ts';

async function scene() {
  const clock = new FakeClock();
  const on = machine(clock);
  const authority = await openAuthority(optionsOf(on, { caTtlSeconds: 86_400, x509SvidTtlSeconds: 3_600 }));
  const spares = new Spares(authority, clock);
  /** The next one is made when whoever took this one has been answered. */
  const take = async (entry = entryOf()): Promise<string> => {
    const { issued } = await spares.take(entry);
    await clock.advance(1);
    return issued.serial;
  };
  return { clock, authority, spares, take };
}

describe('a spare', () => {
  it('is handed out once, to the next who asks for that entry as it is', async () => {
    const { authority, spares, take } = await scene();
    const serials = [
      await take(),
      await take(),
      await take(entryOf({ revision: 2 })),
      await take(entryOf({ id: 'other' })),
    ];
    expect(new Set(serials).size).toBe(4);
    expect(spares.size).toBe(2);
    await authority.close();
  });

  it('of nobody does not stay, nor its key: it is gone a minute or two later', async () => {
    const { clock, authority, spares, take } = await scene();
    for (let n = 0; n < 20; n++) await take(entryOf({ id: `entry ${n}` }));
    expect(spares.size).toBe(20);
    await clock.advance(121_000);
    expect(spares.size).toBe(0);
    await take();
    expect(spares.size).toBe(1);
    await clock.advance(121_000);
    expect(spares.size).toBe(0);
    await authority.close();
  });
});
