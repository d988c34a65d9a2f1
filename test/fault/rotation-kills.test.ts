import { describe, expect, it } from 'vitest';
import { killAtEveryStep } from './rotation-kills.ts';

describe('kill -9 at every step of a rotation', () => {
  it('SE-15 R-KEY-2 leaves one active authority of each kind, all of them published, and no key that nobody knows', async () => {
    const { deaths, findings } = await killAtEveryStep(1);
    expect(findings).toEqual([]);
    expect(deaths.size).toBeGreaterThan(20);
  }, 600_000);
});
