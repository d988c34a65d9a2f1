import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  durable,
  ellipticKeyStore,
  Fuse,
  type Held,
  issueBoth,
  type Machine,
  machine,
  optionsOf,
  states,
  verifyBoth,
} from '../../test/fakes/authority.ts';
import { FakeClock } from '../../test/fakes/clock.ts';
import { Issuer } from '../spiffe/issuer.ts';
import { type Authority, openAuthority } from './authority.ts';

const hour = 3_600_000;

/** Runs until the fuse blows or the story ends, holding every SVID that left against what was durable as it left. */
async function liveUntilDeath(on: Machine, fuse: Fuse, seconds: number, issuer?: Issuer): Promise<Held[]> {
  const held: Held[] = [];
  const authority = await openAuthority(fuse.wire(optionsOf(on, { issuer }), on)).catch(() => undefined);
  for (let second = 0; authority !== undefined && second < seconds && !fuse.blown; second++) {
    if (second % 4 === 0) held.push(await issueBoth(authority));
    const { authorities } = durable(on);
    for (const kind of kindsWith(issuer)) {
      const signer = authorities.find(({ id }) => id === authority.active.value[kind]?.id);
      expect(signer?.state, 'the signer is durably active').toBe('active');
    }
    await on.clock.advance(1000);
  }
  await authority?.close();
  return held;
}

const kindsWith = (issuer: Issuer | undefined) =>
  issuer === undefined ? (['x509', 'jwt'] as const) : (['x509', 'jwt', 'jwt-rsa'] as const);

/** The state in which every start must leave the machine, whatever came before. */
async function expectSound(on: Machine, authority: Authority, held: readonly Held[], issuer?: Issuer): Promise<void> {
  for (const kind of kindsWith(issuer)) {
    expect(states(authority, kind).filter((state) => state === 'active')).toHaveLength(1);
  }
  const known = authority.authorities().map(({ kind, id }) => `${kind}-${id}`);
  expect([...(await on.keys.names())].sort()).toEqual(known.sort());
  const now = on.clock.now();
  for (const one of held) if (now < one.expiresAt) verifyBoth(one, authority.bundle.value, now);
  verifyBoth(await issueBoth(authority), authority.bundle.value, now);
}

describe('kill -9', () => {
  const story = 130;

  it('SE-15 R-KEY-2 at every single step: one active of each kind, no unpublished signature, at most one orphan, cleaned', async () => {
    let died = 0;
    for (let at = 1; at < 200; at++) {
      const on = machine(new FakeClock());
      const fuse = new Fuse(at, at % 2 === 0 ? 'before' : 'after');
      const held = await liveUntilDeath(on, fuse, story);
      if (!fuse.blown) break;
      died += 1;
      const published = durable(on).authorities.length;
      expect((await on.keys.names()).length - published).toBeLessThanOrEqual(1);
      const authority = await openAuthority(optionsOf(on));
      await expectSound(on, authority, held);
      await authority.close();
    }
    expect(died).toBeGreaterThan(60);
  });

  it('SE-15 R-KEY-2 the same with an issuer and its second kind of token keys', async () => {
    const issuer = Issuer.parse('https://id.example.org');
    let died = 0;
    for (let at = 1; at < 300; at++) {
      const on = { ...machine(new FakeClock()), keys: ellipticKeyStore() };
      const fuse = new Fuse(at, at % 2 === 0 ? 'before' : 'after');
      const held = await liveUntilDeath(on, fuse, story, issuer);
      if (!fuse.blown) break;
      died += 1;
      expect((await on.keys.names()).length - durable(on).authorities.length).toBeLessThanOrEqual(1);
      const authority = await openAuthority(optionsOf(on, { issuer }));
      await expectSound(on, authority, held, issuer);
      expect(authority.tokenKeys.value.map(({ keyId }) => keyId).sort()).toEqual(
        authority.bundle.value.jwtAuthorities.map(({ keyId }) => keyId).sort(),
      );
      await authority.close();
    }
    expect(died).toBeGreaterThan(90);
  });

  it('R-KEY-2 a crash loop makes no more than one key that was never published', async () => {
    for (const when of ['before', 'after'] as const) {
      const on = machine(new FakeClock());
      for (let at = 1; at < 12; at++) {
        for (let round = 0; round < 5; round++) await liveUntilDeath(on, new Fuse(at, when), 1);
        expect((await on.keys.names()).length - durable(on).authorities.length).toBeLessThanOrEqual(1);
      }
    }
  });

  it('SE-15 laws 2 and 3 hold over random timelines of work, crashes, downtimes and clock jumps', async () => {
    const events = fc.array(
      fc.oneof(
        fc.record({ workSeconds: fc.integer({ min: 1, max: 50 }), diesAt: fc.integer({ min: 1, max: 80 }) }),
        fc.record({ downMs: fc.integer({ min: 1, max: 200_000 }) }),
        fc.record({ jumpMs: fc.integer({ min: -hour, max: hour }) }),
      ),
      { minLength: 1, maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(events, async (events) => {
        const on = machine(new FakeClock());
        let sequence = 0n;
        for (const event of events) {
          if ('downMs' in event) await on.clock.advance(event.downMs);
          if ('jumpMs' in event) on.clock.jump(event.jumpMs);
          const held =
            'diesAt' in event ? await liveUntilDeath(on, new Fuse(event.diesAt, 'after'), event.workSeconds) : [];
          const authority = await openAuthority(optionsOf(on));
          await expectSound(on, authority, held);
          expect(authority.bundle.value.sequence).toBeGreaterThanOrEqual(sequence);
          sequence = authority.bundle.value.sequence ?? -1n;
          await authority.close();
        }
      }),
      { numRuns: 40 },
    );
  });
});
