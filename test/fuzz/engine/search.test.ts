import { describe, expect, it } from 'vitest';
import { supervise } from './supervise.ts';

/** Which faults of one planted parser were found, and by which inputs. */
async function found(
  name: string,
  input?: string,
): Promise<readonly { readonly what: string; readonly input: string }[]> {
  const { findings } = await supervise({ name, ms: 60_000, seed: 1, input, enough: 1 });
  return findings;
}

describe('the search', { timeout: 240_000 }, () => {
  it('is led by what it reaches: a fault behind three conditions is found, and its input cut down to them', async () => {
    const [first] = await found('planted-crash');
    expect(first).toEqual({ what: expect.stringContaining('RangeError: planted'), input: '504c41' });
  });

  it('names the input that does not come back, that waits for ever, that ends the process, that takes too long', async () => {
    const outcomes = await Promise.all([
      found('planted-hang', '50'),
      found('planted-silence', '50'),
      found('planted-death', '50'),
      found('planted-slowness', '50'),
    ]);
    const [hang, silence, death, slowness] = outcomes.map(([first]) => first);
    expect(hang).toMatchObject({ what: expect.stringMatching(/does not come back/), input: '50' });
    // Where nothing else is left to do, Node ends by itself.
    expect(silence).toMatchObject({ what: expect.stringMatching(/does not come back|process \(13\)/), input: '50' });
    expect(death).toMatchObject({ what: expect.stringMatching(/ends the process \(7\)/), input: '50' });
    expect(slowness?.what).toMatch(/^takes \d+ ms/);
  });
});
