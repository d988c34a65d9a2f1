import { describe, expect, it } from 'vitest';
import { Wake, Watch } from './watch.ts';

describe('a watched value', () => {
  it('gives a reader the newest value and lets a slow one skip', async () => {
    const watch = new Watch(1);
    const stop = new AbortController();
    const seen: number[] = [];
    for await (const value of watch.values(stop.signal)) {
      seen.push(value);
      if (value === 1) for (const next of [2, 3, 4]) watch.set(next);
      if (value === 4) stop.abort();
    }
    expect(seen).toEqual([1, 4]);
  });

  it('tells listeners in order, until they are disposed', () => {
    const watch = new Watch('a');
    const heard: string[] = [];
    const first = watch.onChange((value, previous) => heard.push(`${previous}>${value}`));
    watch.set('b');
    first[Symbol.dispose]();
    watch.set('c');
    expect(heard).toEqual(['a>b']);
  });

  it('WA-33 keeps nothing of a reader that has gone', async () => {
    const watch = new Watch(0);
    const stop = new AbortController();
    const reader = watch.values(stop.signal);
    await reader.next();
    const waiting = reader.next();
    stop.abort();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });
});

describe('a bell', () => {
  it('remembers one ring for who comes later', async () => {
    const bell = new Wake();
    bell.ring();
    bell.ring();
    await bell.wait(new AbortController().signal);
    const stop = new AbortController();
    const second = bell.wait(stop.signal).then(() => 'woken');
    const early = await Promise.race([second, new Promise((resolve) => setImmediate(() => resolve('waiting')))]);
    expect(early).toBe('waiting');
    stop.abort();
    expect(await second).toBe('woken');
  });
});
