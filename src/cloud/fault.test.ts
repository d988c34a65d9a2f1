import { describe, expect, it } from 'vitest';
import { faultOf } from './fault.ts';

const request = { url: 'https://sts.example/', accepts: 'json' } as const;
const said = (words: string): string | undefined =>
  faultOf({ status: 400, headers: {}, body: JSON.stringify({ error: 'no', error_description: words }) }, request);

describe('what a relying party says when it refuses', () => {
  it.each([
    ['in the middle', 'got eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl today', 'no: got … today'],
    ['in quotes', 'got "eyJhbGciOi.eyJzdWIiOi."', 'no: got "…"'],
    ['at the beginning', 'eyJhbGciOi.eyJzdWIiOi.c2ln', 'no: …'],
  ])('is shown without what looks like a token, %s', (_, words, shown) => {
    expect(said(words)).toBe(shown);
  });

  it('is read in a time that grows with its length, whatever it is', () => {
    const awkward = ['a', 'ey', 'ey.', 'eyaaaaaa.', '\u200b '];
    for (const part of awkward) expect(said(part.repeat(250_000 / part.length))?.length).toBeLessThan(500);
  });
});
