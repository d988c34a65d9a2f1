import { describe, expect, it } from 'vitest';
import { killNested } from './nested-kills.ts';
import { aboveAnother, belowAnother } from './points.ts';
import { killAtEveryStep } from './rotation-kills.ts';

describe('kill -9 at every step of a rotation', () => {
  it('SE-15 R-KEY-2 leaves one active authority of each kind, all of them published, and no key that nobody knows', async () => {
    const { deaths, findings } = await killAtEveryStep(1);
    expect(findings).toEqual([]);
    expect(deaths.size).toBeGreaterThan(20);
  }, 600_000);

  it('SE-15 R-KEY-2 of one of two issuers, one below the other: one bundle, and what is signed below is believed above', async () => {
    const { deaths, findings } = await killNested(1, { own: false });
    expect(findings).toEqual([]);
    expect([...deaths.keys()].toSorted()).toEqual([...aboveAnother, ...belowAnother].toSorted());
  }, 600_000);
});
