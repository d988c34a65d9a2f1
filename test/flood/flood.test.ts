/** What `make flood` measures, judged without a clock: nobody else fails, nothing grows, whoever floods is cut. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../bench/free-port.ts';
import { eventually } from '../fakes/eventually.ts';
import { type Attack, attacks } from './attacks.ts';
import type { Counts } from './hostile.ts';
import type { Measured } from './neighbour.ts';
import { Scene } from './scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await Scene.open();
});
afterAll(() => scene[Symbol.asyncDispose]());

/** Attacks until it has come as far as `goals` says, which it must, and not for much longer. */
async function flood(name: string, goals: Partial<Counts>): Promise<Measured> {
  const attack = attacks.find((known) => known.name === name) as Attack;
  const attacking = scene.attack(attack, { ms: 1_000, until: goals, niceness: 0 });
  const neighbour = await scene.neighbour(attacking);
  const counts = await attacking;
  for (const [what, goal] of Object.entries(goals) as [keyof Counts, number][]) {
    expect(counts[what], `${what} of ${name}: ${JSON.stringify(counts)}`).toBeGreaterThanOrEqual(goal);
  }
  return neighbour;
}

async function untilOpen(calls: number): Promise<void> {
  while ((await scene.mayfly.operator.status()).openStreams < calls) await pause(20);
}

async function expectUnharmed(neighbour: Measured, mostMiB: number): Promise<void> {
  expect(neighbour.failures).toEqual([]);
  expect(neighbour.calls.length).toBeGreaterThan(0);
  expect(scene.residentMiB).toBeLessThan(mostMiB);
  await eventually('the attacker’s descriptors are given back', () => scene.descriptors <= before + 10);
  expect((await scene.neighbour(200)).failures).toEqual([]);
}

let before: number;
beforeAll(() => {
  before = scene.descriptors;
});

describe('under flood', { timeout: 120_000 }, () => {
  it('a stranger who opens 20,000 calls over 8 connections is answered, and hangs nothing', async () => {
    const neighbour = await flood('stranger calls', { ended: 20_000 });
    await expectUnharmed(neighbour, 400);
  });

  it('an entitled caller with 10,000 streams that it never reads hangs nothing', async () => {
    const attack = attacks.find(({ name }) => name === 'slow streams') as Attack;
    const held = untilOpen(9_900);
    const attacking = scene.attack(attack, { ms: 60_000, niceness: 0 }, held);
    const neighbour = await scene.neighbour(held);
    expect(scene.residentMiB).toBeLessThan(600);
    await attacking;
    await expectUnharmed(neighbour, 600);
  });

  it('header blocks of a mebibyte cost no memory', async () => {
    const neighbour = await flood('1 MiB headers', { cut: 8 });
    await expectUnharmed(neighbour, 600);
  });

  it('HPACK bombs end the connection of who sends them', async () => {
    const neighbour = await flood('HPACK bomb', { cut: 8 });
    await expectUnharmed(neighbour, 600);
  });

  it('HPACK bombs, one after the other, end nothing but their connections', async () => {
    const attack = attacks.find(({ name }) => name === 'HPACK bomb') as Attack;
    const attacking = scene.attack(attack, { ms: 10_000, niceness: 0 });
    await expectUnharmed(await scene.neighbour(attacking), 600);
  });

  it('a peer that pings and never reads is not read either', async () => {
    const neighbour = await flood('PING flood, deaf', { connections: 4 });
    await expectUnharmed(neighbour, 600);
  });

  it.each(['rapid reset', 'made you reset: window', 'SETTINGS flood', 'CONTINUATION flood', 'unknown frames'])(
    'R-NET-1 %s ends the connection of who sends it',
    async (name) => {
      const neighbour = await flood(name, { cut: 4 });
      await expectUnharmed(neighbour, 600);
    },
  );

  it('R-NET-1 whoever gives up call after call is not let in any more, and it is counted why', async () => {
    const port = await freePort();
    await using watched = await Scene.open(0, ['--http', `127.0.0.1:${port}`]);
    const attack = attacks.find(({ name }) => name === 'rapid reset') as Attack;
    await watched.attack(attack, { ms: 1_000, until: { cut: 200 }, niceness: 0 });
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(Number(/^mayfly_connections_cut_total\{reason="flood"\} (\d+)$/m.exec(metrics)?.[1])).toBeGreaterThan(20);
    expect(metrics).toMatch(/^mayfly_connections_refused_total\{reason="breaches-of-user"\} \d+$/m);
    expect((await watched.neighbour(200)).failures).toEqual([]);
  });
});
