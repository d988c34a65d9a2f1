import { expect, test } from 'vitest';
import { FakeClock } from '../../test/fakes/clock.ts';
import { tidyAfterStorms } from './tidy.ts';

const mebibyte = 1024 * 1024;

function machine() {
  const clock = new FakeClock();
  const state = { resident: 150, busy: 0, kept: 0, trimmed: 0, collected: 0 };
  const memory = {
    resident: () => (state.resident + state.kept) * mebibyte,
    busy: () => state.busy,
    trim: () => void state.trimmed++,
    collect: () => {
      state.collected++;
      state.kept = 0;
    },
  };
  return { clock, state, tidying: tidyAfterStorms(clock, memory) };
}

test('what a storm took is given back once it has been calm for ten seconds, and not before', async () => {
  const { clock, state } = machine();
  await clock.advance(10_000);
  Object.assign(state, { busy: 0.9, kept: 80 });
  await clock.advance(60_000);
  expect(state.collected).toBe(0);
  state.busy = 0.05;
  await clock.advance(5_000);
  expect(state.collected).toBe(0);
  await clock.advance(5_000);
  expect([state.collected, state.kept]).toEqual([1, 0]);
});

test('what is in use is not looked for again and again', async () => {
  const { clock, state } = machine();
  await clock.advance(10_000);
  state.resident = 400;
  await clock.advance(30_000);
  expect(state.collected).toBe(1);
  await clock.advance(3_600_000);
  expect(state.collected).toBeLessThanOrEqual(8);
});

test('what was in use while it was calm is given back soon after its end', async () => {
  const { clock, state } = machine();
  await clock.advance(10_000);
  state.resident = 400;
  await clock.advance(15_000);
  expect(state.collected).toBe(1);
  Object.assign(state, { resident: 150, kept: 250 });
  await clock.advance(45_000);
  expect(state.kept).toBe(0);
});

test('a server that fills up slowly is disturbed ever more rarely', async () => {
  const { clock, state } = machine();
  for (let step = 0; step < 100; step++) {
    state.resident += 30;
    await clock.advance(10_000);
  }
  expect(state.collected).toBeLessThanOrEqual(8);
  Object.assign(state, { kept: 200 });
  await clock.advance(10_000);
  expect(state.kept).toBe(0);
});

test('what grows by little is left, and libc is asked at each look', async () => {
  const { clock, state, tidying } = machine();
  for (let minute = 0; minute < 10; minute++) {
    await clock.advance(60_000);
    state.kept += 20;
  }
  expect([state.collected, state.trimmed]).toEqual([0, 120]);
  tidying[Symbol.dispose]();
  await clock.advance(60_000);
  expect(state.trimmed).toBe(120);
});
