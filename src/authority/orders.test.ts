import { describe, expect, it } from 'vitest';
import { made } from '../../test/fakes/rotation.ts';
import { IdentityError } from '../errors.ts';
import { type Order, planOrder, type Situation } from './orders.ts';
import type { Lifecycle, RotationPolicy } from './rotation.ts';

const hour = 3_600_000;
const day = 24 * hour;
const policy: RotationPolicy = { lifeMs: day, longestTtlMs: hour, publishLeadMs: 25 * 60_000 };

const at = (now: number, authorities: readonly Lifecycle[], signedUntil = now + hour): Situation => ({
  authorities,
  now,
  policy,
  signedUntil: () => signedUntil,
});
const steps = (order: Order, situation: Situation): string[] =>
  planOrder(order, situation).steps.map((step) => `${step.do} ${step.id ?? 'the new one'}`);
const needs = (order: Order, situation: Situation): string[] =>
  planOrder(order, situation).needs.map(({ force }) => force);

describe('an order', () => {
  const signer = made(0, policy, 'active');
  const heir = made(hour, policy);
  const old = made(-hour, policy, 'old');
  const tainted = made(-2 * hour, policy, 'tainted');

  it('to prepare makes one, and no second one beside it (R-KEY-2)', () => {
    expect(steps({ verb: 'prepare', kind: 'x509' }, at(hour, [signer]))).toEqual(['prepare the new one']);
    expect(planOrder({ verb: 'prepare', kind: 'x509' }, at(hour, [signer, heir]))).toMatchObject({
      steps: [],
      target: heir.id,
    });
  });

  it('to activate waits until whoever polls has seen the new one, unless forced by name (law 2)', () => {
    const order = { verb: 'activate', kind: 'x509' } as const;
    expect(steps(order, at(hour, [signer, heir]))).toEqual([`activate ${heir.id}`]);
    expect(needs(order, at(hour, [signer, heir]))).toEqual(['unpublished']);
    expect(needs(order, at(hour + policy.publishLeadMs, [signer, heir]))).toEqual([]);
  });

  it('to taint the one that signs lets another take over first, and says so', () => {
    const order = { verb: 'taint', kind: 'x509', id: signer.id } as const;
    expect(steps(order, at(hour, [signer]))).toEqual([
      'prepare the new one',
      'activate the new one',
      `taint ${signer.id}`,
    ]);
    expect(needs(order, at(hour, [signer]))).toEqual(['active', 'unpublished']);
    expect(needs(order, at(2 * hour, [signer, heir]))).toEqual(['active']);
  });

  it('to taint an old one needs no force: everything it signed is signed anew, nothing is refused', () => {
    expect(planOrder({ verb: 'taint', kind: 'x509' }, at(hour, [signer, old]))).toEqual({
      steps: [{ do: 'taint', kind: 'x509', id: old.id }],
      needs: [],
      target: old.id,
    });
    expect(steps({ verb: 'taint', kind: 'x509', id: tainted.id }, at(hour, [signer, tainted]))).toEqual([]);
  });

  it('to revoke is refused while what it signed is valid, unless forced by name (law 2)', () => {
    const order = { verb: 'revoke', kind: 'x509' } as const;
    expect(steps(order, at(hour, [signer, tainted]))).toEqual([`revoke ${tainted.id}`]);
    expect(needs(order, at(hour, [signer, tainted]))).toEqual(['unexpired']);
    expect(needs(order, at(hour, [signer, tainted], hour - 1))).toEqual([]);
  });

  it('to revoke an old one taints it first, so that what it signed is replaced before it is refused', () => {
    const order = { verb: 'revoke', kind: 'x509', id: old.id } as const;
    expect(steps(order, at(hour, [signer, old]))).toEqual([`taint ${old.id}`, `revoke ${old.id}`]);
  });

  it('to revoke what never signed just takes it out of the bundle', () => {
    expect(planOrder({ verb: 'revoke', kind: 'x509', id: heir.id }, at(hour, [signer, heir]))).toEqual({
      steps: [{ do: 'revoke', kind: 'x509', id: heir.id }],
      needs: [],
      target: heir.id,
    });
  });

  it('names an authority by the beginning of its id, and never guesses between two', () => {
    const twins = ['aa', 'ab'].map((id): Lifecycle => ({ ...made(0, policy, 'old'), id }));
    const order = (id?: string): Order => ({ verb: 'taint', kind: 'x509', id });
    expect(planOrder(order('ab'), at(hour, [signer, ...twins])).target).toBe('ab');
    const refused = (id?: string) => () => planOrder(order(id), at(hour, [signer, ...twins]));
    expect(refused('a')).toThrow(/more than one authority has an id that begins with a/);
    expect(refused('nope')).toThrow(/no authority nope; see what exists: mayfly authority list/);
    expect(refused()).toThrow(/more than one x509 authority is old: say which one to taint with --id/);
  });

  it('does not touch the other kind', () => {
    const jwt: Lifecycle = { ...made(0, policy, 'active'), kind: 'jwt' };
    expect(() => planOrder({ verb: 'taint', kind: 'x509', id: jwt.id }, at(hour, [signer, jwt]))).toThrow(
      IdentityError,
    );
  });

  it.each([
    ['activate', 'old', /is old and signs no more/],
    ['taint', 'prepared', /has signed nothing: mayfly authority revoke instead/],
  ] as const)('to %s one that is %s makes no sense, and says why', (verb, state, message) => {
    const target = made(0, policy, state);
    expect(() => planOrder({ verb, kind: 'x509', id: target.id }, at(hour, [signer, target]))).toThrow(message);
  });
});
