import { once } from 'node:events';
import http2 from 'node:http2';
import { duplexPair } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { flatten, StreamTable } from './stream-table.ts';

describe('the table of streams', () => {
  it('is a Map to whoever asks it', () => {
    const step = fc.record({ id: fc.nat(200).map((n) => 2 * n + 1), add: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const [table, model] = [new StreamTable<object>(), new Map<number, object>()];
        for (const { id, add } of steps) {
          const value = { id };
          if (add) table.set(id, value);
          else expect(table.delete(id)).toBe(model.has(id));
          if (add) model.set(id, value);
          else model.delete(id);
          expect(table.size).toBe(model.size);
        }
        for (let id = 1; id < 402; id += 2) expect(table.get(id)).toBe(model.get(id));
        const seen: object[] = [];
        table.forEach((value) => void seen.push(value));
        expect(new Set(seen)).toEqual(new Set(model.values()));
      }),
    );
  });

  it('lets whoever goes through it end every stream', () => {
    const table = new StreamTable<{ id: number }>();
    for (let id = 1; id < 100; id += 2) table.set(id, { id });
    table.forEach(({ id }) => void table.delete(id));
    expect(table.size).toBe(0);
  });
});

it('is what this Node keeps the streams of a session in, once it is told', async () => {
  const [near, far] = duplexPair();
  const session = http2.performServerHandshake(near);
  expect(flatten(session)).toBe(true);
  expect(flatten(session)).toBe(true);
  session.on('stream', (stream) => stream.respond({ ':status': 204 }, { endStream: true }));
  const client = http2.connect('http://localhost', { createConnection: () => far });
  const calls = Array.from({ length: 20 }, () => client.request({ ':path': '/' }));
  for (const [status] of await Promise.all(calls.map((call) => once(call.resume(), 'response')))) {
    expect((status as http2.IncomingHttpHeaders)[':status']).toBe(204);
  }
  client.destroy();
  session.destroy();
});
