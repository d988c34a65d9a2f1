import { describe, expect, it } from 'vitest';
import { createMetrics } from '../runtime/metrics.ts';
import { Budgets } from './budgets.ts';

const limits = { connections: 10, calls: 5, bytes: 1000 };

function scene(lastDescriptor = 1_000_000) {
  const metrics = createMetrics();
  const clock = { now: 0 };
  const budgets = new Budgets({ limits, lastDescriptor, metrics, now: () => clock.now });
  const connect = (uid: number, count: number): string[] => {
    const ended: string[] = [];
    for (let at = 0; at < count; at++) {
      const held = budgets.of(uid).connect(() => {
        held[Symbol.dispose]();
        ended.push(`${uid}/${at}`);
      });
    }
    return ended;
  };
  return { budgets, metrics, clock, connect };
}

describe('the budget of a user', () => {
  it('R-NET-5 ends where another’s begins: connections', async () => {
    const { budgets, connect, metrics } = scene();
    connect(1, 10);
    expect([budgets.admits(1, 50), budgets.admits(2, 50)]).toEqual([false, true]);
    expect(await metrics.print()).toContain('mayfly_connections_refused_total{reason="connections-of-user"} 1');
  });

  it.each([
    ['calls', 5, 'too many calls of this user are open'],
    ['bytes', 1000, 'too many bytes of this user’s calls wait to be completed or read'],
  ] as const)('R-NET-5 ends where another’s begins: %s', async (what, most, message) => {
    const { budgets, metrics } = scene();
    budgets.of(1).keep(what, most);
    expect(() => budgets.of(1).keep(what, 1)).toThrow(message);
    budgets.of(2).keep(what, most);
    budgets.of(1).keep(what, -1);
    budgets.of(1).keep(what, 1);
    expect(await metrics.print()).toContain(`mayfly_calls_refused_total{reason="${what}-of-user"} 1`);
  });

  it('R-NET-1 is closed for a while to who breaks the protocol again and again, and to nobody else', () => {
    const { budgets, clock } = scene();
    for (let count = 0; count < 20; count++) budgets.of(1).cut('flood');
    expect([budgets.admits(1, 50), budgets.admits(2, 50)]).toEqual([false, true]);
    clock.now = 1_000;
    expect(budgets.admits(1, 50)).toBe(true);
  });

  it('is not closed to who was merely idle', () => {
    const { budgets } = scene();
    for (let count = 0; count < 100; count++) budgets.of(1).cut('idle');
    expect(budgets.admits(1, 50)).toBe(true);
  });

  it('has so many lines in the log', () => {
    const { budgets } = scene();
    const written = Array.from({ length: 10_000 }, () => budgets.of(1).mayLog()).filter(Boolean);
    expect(written.length).toBe(200);
  });
});

describe('where descriptors run short', () => {
  it('R-RES-1 whoever holds the most connections gives up its youngest, for a user who holds fewer', () => {
    const { budgets, connect } = scene(100);
    const ended = connect(1, 5);
    connect(2, 2);
    expect(budgets.admits(2, 101)).toBe(true);
    expect(ended).toEqual(['1/4']);
  });

  it('R-RES-1 and itself gets no more', async () => {
    const { budgets, connect, metrics } = scene(100);
    const ended = connect(1, 5);
    connect(2, 2);
    expect([budgets.admits(1, 100), budgets.admits(1, 101)]).toEqual([true, false]);
    expect(ended).toEqual([]);
    expect(await metrics.print()).toContain('mayfly_connections_refused_total{reason="descriptors"} 1');
  });
});
