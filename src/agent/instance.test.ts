import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entryWith } from '../../test/fakes/entry.ts';
import type { PeerProcess } from '../runtime/peer.ts';
import { ordinaryTerms } from '../spiffe/audience.ts';
import { Instance, tokenKey } from './instance.ts';

const entryOf = (id: string) => entryWith({ id, selectors: ['unix:uid:1000'] });

/** Text that looks like what separates: digits, colons, commas, spaces, quotes, line breaks, the other's key. */
const awkward = fc.string({ unit: fc.constantFrom(...'01239:,; "\'\\\n\u0000aé😀'), maxLength: 8 });
const asked = fc.record({ id: awkward, audience: fc.uniqueArray(awkward, { maxLength: 4 }) });
const inputs = ({ id, audience }: { id: string; audience: readonly string[] }): string =>
  JSON.stringify([id, [...audience].sort()]);

describe('the key under which a token is kept', () => {
  it('R-ISS-6 is the same for two questions only when entry and audience set are', () => {
    fc.assert(
      fc.property(asked, asked, (one, other) => {
        const same =
          tokenKey(entryOf(one.id), one.audience, ordinaryTerms) ===
          tokenKey(entryOf(other.id), other.audience, ordinaryTerms);
        expect(same).toBe(inputs(one) === inputs(other));
      }),
      { numRuns: 20_000 },
    );
  });

  it('R-ISS-6 is not the same for audiences that spell the same when joined', () => {
    const lists = [['a,b'], ['a', 'b'], ['a', 'b', ''], ['ab'], ['1:a1:b'], ['1:a', '1:b'], ['a1:b'], []];
    const keys = lists.map((audience) => tokenKey(entryOf('e'), audience, ordinaryTerms));
    expect(new Set(keys).size).toBe(lists.length);
    // What an audience's policy says of its tokens is one of the parts too.
    const strict = { ...ordinaryTerms, key: '{"algorithm":"RS256"}' };
    expect(tokenKey(entryOf('e'), ['a'], strict)).not.toBe(tokenKey(entryOf('e'), ['a'], ordinaryTerms));
    // The entry's id is one of the parts: it cannot pass for an audience, nor an audience for it.
    expect(tokenKey(entryOf('a'), ['b'], ordinaryTerms)).not.toBe(tokenKey(entryOf('b'), ['a'], ordinaryTerms));
    expect(tokenKey(entryOf('a1:b'), [], ordinaryTerms)).not.toBe(tokenKey(entryOf('a'), ['b'], ordinaryTerms));
  });
});

describe('a token that is kept', () => {
  const instance = new Instance('instance', {} as PeerProcess);
  const entry = entryOf('e');
  const times = { issuedAt: 1_000_000, expiresAt: 1_300_000, reuseUntil: 1_150_000 };
  const held = { entry, token: 't', jti: 'j', authority: 'a', ...times };
  instance.keepToken('k', held);
  const standing = new Set(['a']);

  it('R-ISS-6 is served for the revision that it was issued for, and for no other', () => {
    expect(instance.token('k', entry, 1_000_000, standing)).toBe(held);
    expect(instance.token('k', { ...entry, revision: 2 }, 1_000_000, standing)).toBeUndefined();
  });

  it('is served until half its life, and not when the clock says that it is of the future', () => {
    expect(instance.token('k', entry, 1_149_999, standing)).toBe(held);
    expect(instance.token('k', entry, 1_150_000, standing)).toBeUndefined();
    expect(instance.token('k', entry, 989_999, standing)).toBeUndefined();
  });

  it('is not served any more once whoever signed it is tainted or gone', () => {
    expect(instance.token('k', entry, 1_000_000, new Set(['b']))).toBeUndefined();
  });

  it('goes when too many came after it', () => {
    for (let n = 0; n < 256; n++) instance.keepToken(`other ${n}`, held);
    expect(instance.token('k', entry, 1_000_000, standing)).toBeUndefined();
    expect(instance.token('other 255', entry, 1_000_000, standing)).toBe(held);
  });
});
