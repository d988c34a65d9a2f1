import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { made, Timeline } from '../../test/fakes/rotation.ts';
import { apply, graceMs, type Lifecycle, nextStep, type RotationPolicy } from './rotation.ts';

const hour = 3_600_000;
const day = 24 * hour;
const policy: RotationPolicy = { lifeMs: day, longestTtlMs: hour, publishLeadMs: 25 * 60_000 };
const short: RotationPolicy = { lifeMs: 60_000, longestTtlMs: 20_000, publishLeadMs: 25 * 60_000 };

describe('nextStep', () => {
  it('prepares at the first start and activates at once: nobody else can sign', () => {
    expect(nextStep([], 0, policy)).toEqual({ at: 0, step: { do: 'prepare' } });
    const first = made(0, policy);
    expect(nextStep([first], 0, policy)).toEqual({ at: 0, step: { do: 'activate', id: first.id } });
  });

  it('prepares the next at half of a life and activates it at five sixths', () => {
    const active = made(0, policy, 'active');
    expect(nextStep([active], 1, policy)).toEqual({ at: day / 2, step: { do: 'prepare' } });
    const heir = made(day / 2, policy);
    expect(nextStep([active, heir], day / 2, policy)).toEqual({
      at: (day * 5) / 6,
      step: { do: 'activate', id: heir.id },
    });
  });

  it('activates early enough for the longest SVID to fit: CA 60 s and SVID 20 s hand over at 40 s', () => {
    const active = made(0, short, 'active');
    const heir = made(30_000, short);
    expect(nextStep([active], 1, short).at).toBe(30_000);
    expect(nextStep([active, heir], 30_000, short).at).toBe(40_000);
  });

  it('FD-35 never activates before preparation and the publish lead, as long as another can sign', () => {
    const active = made(0, policy, 'active');
    const late = made(day - 20 * 60_000, policy);
    const due = nextStep([active, late], day - 20 * 60_000, policy);
    expect(due).toEqual({ at: day, step: { do: 'retire', id: active.id } });
    const [old] = apply([active], { do: 'retire', id: active.id }, day);
    expect(nextStep([old as Lifecycle, late], day, policy)).toEqual({ at: day, step: { do: 'activate', id: late.id } });
  });

  it('prepares earlier than half where SVIDs live so long that the lead would not fit, and never without end', () => {
    const greedy = { ...short, longestTtlMs: 7 * day };
    const active = made(0, greedy, 'active');
    expect(nextStep([active], 1, greedy)).toEqual({ at: 20_000, step: { do: 'prepare' } });
    expect(nextStep([active, made(20_000, greedy)], 20_000, greedy).at).toBe(30_000);
  });

  it('XR-11 keeps the old authority until all it signed has expired, and a while longer for clocks that differ', () => {
    const old = made(0, policy, 'old');
    const active = made(day / 2, policy, 'active');
    const heir = made(day - 1, policy);
    expect(graceMs(day)).toBe(hour);
    for (const now of [day, day + hour - 1, day + hour]) {
      expect(nextStep([old, active, heir], now, policy)).toEqual({
        at: day + hour,
        step: { do: 'forget', id: old.id },
      });
    }
  });

  it('after a downtime longer than the life retires, prepares, activates and forgets, in this order', () => {
    const now = 10 * day;
    let authorities: readonly Lifecycle[] = [made(0, policy, 'active'), made(day / 2, policy)];
    const steps: string[] = [];
    for (let due = nextStep(authorities, now, policy); due.at <= now; due = nextStep(authorities, now, policy)) {
      steps.push(due.step.do);
      authorities = due.step.do === 'prepare' ? [...authorities, made(now, policy)] : apply(authorities, due.step, now);
    }
    expect(steps).toEqual(['retire', 'prepare', 'activate', 'forget', 'forget']);
    expect(authorities.map(({ state }) => state)).toEqual(['active']);
  });

  it('after a clock was set back makes an authority that is valid now, and takes none away', () => {
    const active = made(day, policy, 'active');
    expect(nextStep([active], day - hour, policy).step).toEqual({ do: 'prepare' });
    const heir = made(day - hour, policy);
    expect(nextStep([active, heir], day - hour, policy).step).toEqual({ do: 'activate', id: heir.id });
    const after = apply([active, heir], { do: 'activate', id: heir.id }, day - hour);
    expect(after.map(({ state }) => state)).toEqual(['old', 'active']);
    expect(nextStep(after, day - hour, policy)).toEqual({ at: day - hour + day / 2, step: { do: 'prepare' } });
  });

  it('passes over a prepared authority that ends before the one that signs', () => {
    const active = made(hour, policy, 'active');
    expect(nextStep([made(0, policy), active], 13 * hour, policy)).toEqual({ at: 13 * hour, step: { do: 'prepare' } });
  });
});

describe('apply', () => {
  it('SE-15 refuses every transition but prepared, active, old, gone', () => {
    for (const [state, step] of [
      ['active', 'activate'],
      ['old', 'activate'],
      ['prepared', 'retire'],
      ['old', 'retire'],
      ['active', 'forget'],
    ] as const) {
      const authority = made(0, policy, state);
      expect(() => apply([authority], { do: step, id: authority.id }, 0), `${state} ${step}`).toThrow(TypeError);
    }
    expect(() => apply([], { do: 'activate', id: 'unknown' }, 0)).toThrow('unknown');
  });

  it('leaves the authorities of the other kind alone', () => {
    const jwt: Lifecycle = { ...made(0, policy, 'active'), kind: 'jwt' };
    const heir = made(0, policy);
    expect(apply([jwt, heir], { do: 'activate', id: heir.id }, 7)).toEqual([
      jwt,
      { ...heir, state: 'active', activatedAt: 7 },
    ]);
  });
});

describe('law 2 and law 3', () => {
  const policies = fc.record({
    lifeMs: fc.integer({ min: 10, max: 172_800 }).map((seconds) => seconds * 1000),
    longestTtlMs: fc.integer({ min: 5, max: 172_800 }).map((seconds) => seconds * 1000),
    publishLeadMs: fc.integer({ min: 0, max: 1_500_000 }),
  });
  const events = fc.array(
    fc.oneof(
      fc.record({ pass: fc.integer({ min: 1, max: 100 }) }),
      fc.record({ jump: fc.integer({ min: -hour, max: hour }) }),
      fc.record({ down: fc.integer({ min: 1, max: 3 * day }) }),
      fc.record({ crashAfter: fc.integer({ min: 0, max: 3 }) }),
      fc.record({ issueTtlSeconds: fc.integer({ min: 5, max: 172_800 }) }),
      fc.record({
        order: fc.constantFrom('prepare', 'activate', 'taint', 'revoke'),
        which: fc.nat(5),
        forced: fc.subarray(['active', 'unpublished', 'unexpired'] as const),
        crashAfter: fc.constantFrom(0, 1, 2, Infinity),
      }),
    ),
    { maxLength: 60 },
  );

  it('SE-15 FD-36 FD-37 hold over 10,000 random timelines of rotation, orders, taint, crashes, downtimes and clock jumps of up to an hour', () => {
    fc.assert(
      fc.property(policies, events, (policy, events) => {
        const life = new Timeline(policy);
        life.turn(Infinity);
        for (const event of events) {
          if ('jump' in event) life.now += event.jump;
          if ('down' in event) life.now += event.down;
          if ('pass' in event) life.now += Math.ceil((policy.lifeMs * event.pass) / 100);
          if ('issueTtlSeconds' in event) life.issue(event.issueTtlSeconds * 1000);
          if ('order' in event) life.order(event);
          else life.turn('crashAfter' in event ? event.crashAfter : Infinity);
          life.issue(policy.longestTtlMs);
        }
      }),
      { numRuns: 10_000 },
    );
  });

  it('R-KEY-2 makes at most three authorities in a lifetime, and few are published at one time', () => {
    fc.assert(
      fc.property(policies, (policy) => {
        const life = new Timeline(policy);
        const start = life.now;
        for (life.turn(Infinity); life.now < start + 10 * policy.lifeMs; life.turn(Infinity)) {
          life.now = Math.ceil(nextStep(life.authorities, life.now, policy).at);
          expect(life.authorities.length).toBeLessThanOrEqual(8);
        }
        expect(life.prepares).toBeLessThanOrEqual(1 + 3 * 11);
      }),
      { numRuns: 40 },
    );
  });
});
