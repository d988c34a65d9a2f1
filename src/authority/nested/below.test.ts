/** What an issuer below may put into the bundle of the one above, and what not. */
import { generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { durable, type Machine, machine, optionsOf, refusal, trustDomain } from '../../../test/fakes/authority.ts';
import { FakeClock } from '../../../test/fakes/clock.ts';
import { type Authority, openAuthority } from '../authority.ts';
import { Journal } from '../journal.ts';

const by = { actorUid: 0, actorPid: 1 };
const id = (digit: string | number): string => String(digit).padStart(32, '0');
const keyOf = (namedCurve: string): Buffer =>
  generateKeyPairSync('ec', { namedCurve }).publicKey.export({ type: 'spki', format: 'der' });
const key = keyOf('P-256');
let clock: FakeClock;
let on: Machine;
let above: Authority;

beforeEach(async () => {
  clock = new FakeClock();
  on = machine(clock);
  above = await openAuthority(optionsOf(on, { levelsBelow: 1 }));
});
afterEach(() => above.close());

const publish = (fields: { id?: string; publicKey?: Buffer; expiresAt?: number } = {}, domain: string = trustDomain) =>
  above.below.publish(domain, { id: id(1), publicKey: key, expiresAt: clock.now() + 30_000, ...fields }, by);
const kids = (): string[] => above.bundle.value.jwtAuthorities.map(({ keyId }) => keyId);

describe('a JWT key of an issuer below', () => {
  it('law 2: is in the bundle and on the disk once it is answered, after the record of it', async () => {
    const before = above.bundle.value.sequence ?? 0n;
    await publish();
    expect(kids()).toContain(id(1));
    expect(durable(on).below.map((one) => one.id)).toEqual([id(1)]);
    expect(above.bundle.value.sequence).toBeGreaterThan(before);
    expect(on.nested).toMatchObject([{ kind: 'downstream.key-published', below: id(1), ...by }]);
  });

  it('may be published again: nothing happens, or it lasts longer', async () => {
    await publish();
    const { sequence } = above.bundle.value;
    await publish();
    await publish({ expiresAt: clock.now() + 20_000 });
    expect([above.bundle.value.sequence, on.nested.length]).toEqual([sequence, 1]);
    await publish({ expiresAt: clock.now() + 50_000 });
    expect(durable(on).below).toMatchObject([{ expiresAt: clock.now() + 50_000 }]);
    expect(kids().filter((one) => one === id(1))).toHaveLength(1);
  });

  it('leaves when all that it signed has ended, some time after its own end, and that is on record', async () => {
    await publish();
    await clock.advance(40_000);
    expect(kids()).toContain(id(1));
    await clock.advance(120_000);
    expect(kids()).not.toContain(id(1));
    expect(on.nested.at(-1)).toMatchObject({ kind: 'downstream.key-removed', below: id(1), reason: 'expired' });
  });

  it('leaves at once when it is withdrawn; twice is once, and what was never there is no fault', async () => {
    await publish();
    await above.below.withdraw(id(1), by);
    await above.below.withdraw(id(1), by);
    await above.below.withdraw(id(2), by);
    expect(kids()).not.toContain(id(1));
    expect(on.nested.filter(({ kind }) => kind === 'downstream.key-removed')).toHaveLength(1);
  });

  it('outlives a restart', async () => {
    await publish();
    await above.close();
    above = await openAuthority(optionsOf(on, { levelsBelow: 1 }));
    expect(kids()).toContain(id(1));
  });

  it.each([
    ['under the id of one of ours', () => ({ id: kids()[0] ?? '' }), 'already-exists'],
    ['with an id that is none', () => ({ id: '../../etc' }), 'invalid-argument'],
    ['that signs no tokens', () => ({ publicKey: keyOf('P-521') }), 'invalid-argument'],
    ['that is no key', () => ({ publicKey: Buffer.from('key') }), 'invalid-argument'],
    ['that has ended', () => ({ expiresAt: clock.now() }), 'invalid-argument'],
    ['that lives longer than ours', () => ({ expiresAt: clock.now() + 61_000 }), 'failed-precondition'],
  ] as const)('R-ISS-2 is refused %s, and nothing is published', async (_, fields, code) => {
    const { sequence } = above.bundle.value;
    expect((await refusal(publish(fields()))).code).toBe(code);
    expect([above.bundle.value.sequence, on.nested]).toEqual([sequence, []]);
  });

  it('R-ISS-2 is refused for another trust domain', async () =>
    expect((await refusal(publish({}, 'evil.example'))).code).toBe('failed-precondition'));

  it('R-RES-1 there are no more than 256 of them, and those that are there may be published again', async () => {
    await above.close();
    const times = { publishedAt: clock.now(), expiresAt: clock.now() + 30_000 };
    const below = Array.from({ length: 255 }, (_, count) => ({ id: id(count), publicKey: key, ...times }));
    Journal.open(on.journal, trustDomain).write({ below });
    above = await openAuthority(optionsOf(on, { levelsBelow: 1 }));
    await publish({ id: id(255) });
    expect((await refusal(publish({ id: id(256) }))).code).toBe('resource-exhausted');
    await publish({ id: id(255) });
  });
});
