import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdentityError } from '../errors.ts';
import { audienceAllowed, checkEntry, type EntryDraft, entryWarnings, matches } from './entry.ts';
import { TrustDomain } from './id.ts';
import { Selector } from './selector.ts';

const own = TrustDomain.parse('example.org');
const draft: EntryDraft = { spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:1000'], owner: 'ada' };
const check = (changes: Partial<EntryDraft>) => checkEntry({ ...draft, ...changes }, own);
const setOf = (...texts: string[]) => new Set(texts.map((text) => Selector.parse(text)));

/** Code, field and sentence of the refusal. */
function expectRefused(changes: Partial<EntryDraft>, message: string): void {
  const field = message.split(' ')[0];
  expect(() => check(changes), message).toThrow(
    expect.objectContaining({
      code: 'invalid-argument',
      reason: `entry-${field}`,
      message: expect.stringContaining(message),
    }),
  );
}

describe('registration', () => {
  it('fills what is left out with empty values', () => {
    expect(check({})).toEqual({
      spiffeId: 'spiffe://example.org/web',
      selectors: ['unix:uid:1000'],
      owner: 'ada',
      description: '',
      x509SvidTtlSeconds: 0,
      jwtSvidTtlSeconds: 0,
      dnsNames: [],
      subject: '',
      hint: '',
      federatesWith: [],
      audiences: [],
      expiresAt: undefined,
    });
  });

  it('keeps a whole entry as it is, and again when it is checked again', () => {
    const full = check({
      selectors: ['unix:uid:1000', 'unix:gid:7'],
      description: 'The front door',
      x509SvidTtlSeconds: 5,
      jwtSvidTtlSeconds: 300,
      dnsNames: ['web.example.org', 'web'],
      hint: 'internal',
      federatesWith: ['partner.example'],
      audiences: ['aws', 'bench-*', '*'],
      expiresAt: Date.UTC(2049, 11, 31),
    });
    expect(checkEntry(full, own)).toEqual(full);
  });

  it('ID-30 ID-01 refuses an ID of another trust domain, or none', () => {
    expectRefused({ spiffeId: 'spiffe://other/a' }, "spiffe_id must lie in this server's trust domain");
    expectRefused({ spiffeId: 'spiffe://example.org.evil/a' }, "spiffe_id must lie in this server's trust domain");
    expectRefused({ spiffeId: 'https://example.org/a' }, 'spiffe_id is refused: The SPIFFE ID must begin with');
  });

  it('ID-18 XC-03 refuses an ID of 2049 bytes and one without a path', () => {
    expectRefused({ spiffeId: `spiffe://example.org/${'a'.repeat(2049 - 21)}` }, 'spiffe_id is refused');
    expect(check({ spiffeId: `spiffe://example.org/${'a'.repeat(2048 - 21)}` }).spiffeId).toHaveLength(2048);
    expectRefused(
      { spiffeId: 'spiffe://example.org' },
      'spiffe_id is refused: The SPIFFE ID of a workload needs a path',
    );
  });

  it('sorts selectors and drops repeats, so that equal entries look equal', () => {
    expect(check({ selectors: ['unix:uid:2', 'unix:gid:1', 'unix:uid:2'] }).selectors).toEqual([
      'unix:gid:1',
      'unix:uid:2',
    ]);
  });

  it('wants at least one selector and at most 32', () => {
    expectRefused({ selectors: [] }, 'selectors needs at least one: without any it would match every workload');
    expectRefused({ selectors: Array.from({ length: 33 }, (_, n) => `unix:uid:${n}`) }, 'selectors has 33 values');
    expectRefused({ selectors: ['uid'] }, 'selectors is refused: The selector is written as type:value');
  });

  it('wants an owner', () => {
    expectRefused({ owner: '' }, 'owner is missing: there is no entry without a person answerable for it');
  });

  it('SE-25 refuses hints, descriptions and owners with control characters or of undue length', () => {
    expectRefused({ hint: 'a\u0000' }, 'hint holds a control character');
    expectRefused({ hint: 'ü'.repeat(513) }, 'hint is longer than 1024 bytes');
    expect(check({ hint: 'ü'.repeat(512) }).hint).toHaveLength(512);
    expectRefused({ description: 'a\nb' }, 'description holds a control character');
    expectRefused({ owner: 'a\u001b[31m' }, 'owner holds a control character');
    expectRefused({ hint: '\ud800' }, 'hint is not valid Unicode');
  });

  it('SE-25 refuses DNS names that are wildcards, addresses or not RFC 1123', () => {
    for (const name of ['web', 'a.b-c.d1', '3com.example', 'xn--bcher-kva.example', 'a'.repeat(63)]) {
      expect(check({ dnsNames: [name] }).dnsNames).toEqual([name]);
    }
    const wrong = ['', 'a..b', '-a', 'a-', 'a_b', 'a b', 'a.', '.a', 'ü.example', `${'a'.repeat(64)}.b`, 'a\n', 'a/b'];
    for (const name of wrong) expectRefused({ dnsNames: [name] }, 'dns_names has a name that needs labels');
    expectRefused({ dnsNames: ['*.example.org'] }, 'dns_names has a name that holds a wildcard');
    expectRefused({ dnsNames: ['Web'] }, 'dns_names has a name that is not in lower case');
    expectRefused({ dnsNames: ['10.0.0.1'] }, 'dns_names has a name that looks like an address');
    expectRefused({ dnsNames: [`${'a.'.repeat(127)}a`] }, 'dns_names has a name that is longer than 253');
  });

  it('refuses audiences that are empty, or have a * elsewhere than at the end', () => {
    expectRefused({ audiences: [''] }, 'audiences has an empty value');
    expectRefused({ audiences: ['a*b'] }, 'audiences has a * that is not at the end');
    expectRefused({ audiences: ['a**'] }, 'audiences has a * that is not at the end');
    expectRefused({ audiences: ['a\u0007'] }, 'audiences holds a control character');
  });

  it('keeps TTLs within their bounds, 0 being the default', () => {
    for (const seconds of [4, -1, 1.5, Number.NaN, 7 * 86_400 + 1]) {
      expectRefused({ x509SvidTtlSeconds: seconds }, 'x509_svid_ttl must be whole seconds from 5 to 604800');
    }
    expectRefused({ jwtSvidTtlSeconds: 86_401 }, 'jwt_svid_ttl must be whole seconds from 5 to 86400');
    const limits = { x509SvidTtlSeconds: 60, jwtSvidTtlSeconds: 60 };
    expect(() => checkEntry({ ...draft, x509SvidTtlSeconds: 61 }, own, limits)).toThrow('from 5 to 60');
  });

  it('refuses to federate with itself or with no trust domain', () => {
    expectRefused({ federatesWith: ['example.org'] }, 'federates_with names this trust domain itself');
    expectRefused({ federatesWith: ['spiffe://a'] }, 'federates_with is refused: The trust domain is written as');
  });

  it('refuses an end that is no moment', () => {
    for (const at of [0, -1, 1.5, Number.NaN, 1e18]) expectRefused({ expiresAt: at }, 'expires_at is not a moment');
  });

  it('refuses or returns, whatever it is given', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.constantFrom('spiffe://example.org/a', 'unix:uid:1'),
    );
    const anything = fc.record({
      spiffeId: text,
      selectors: fc.array(text),
      owner: text,
      hint: text,
      audiences: fc.array(text),
    });
    fc.assert(
      fc.property(anything, (fields) => {
        try {
          expect(checkEntry(fields, own).spiffeId).toBe(fields.spiffeId);
        } catch (error) {
          expect(error).toBeInstanceOf(IdentityError);
        }
      }),
    );
  });
});

describe('entitlement', () => {
  it('needs every selector of the entry, by exact text', () => {
    const entry = check({ selectors: ['unix:uid:1000', 'unix:gid:1000'] });
    expect(matches(entry, setOf('unix:uid:1000', 'unix:gid:1000', 'unix:user:ada'))).toBe(true);
    expect(matches(entry, setOf('unix:uid:1000'))).toBe(false);
    expect(matches(entry, setOf('unix:uid:10000', 'unix:gid:1000'))).toBe(false);
  });

  it('SE-22 gives nothing to anyone for an entry without selectors', () => {
    expect(matches({ selectors: [] }, setOf('unix:uid:0'))).toBe(false);
  });

  it('allows an audience by its exact text or a prefix, and none when none is named', () => {
    const entry = check({ audiences: ['aws', 'bench-*'] });
    const asked = ['aws', 'bench-', 'bench-1', 'Aws', 'aws2', 'bench', 'xbench-1', ''];
    expect(asked.map((audience) => audienceAllowed(entry, audience))).toEqual([
      true,
      true,
      true,
      ...Array(5).fill(false),
    ]);
    expect(audienceAllowed(check({}), 'aws')).toBe(false);
    expect(audienceAllowed(check({ audiences: ['*'] }), 'anything')).toBe(true);
  });
});

describe('warnings', () => {
  it('come for an entry that rests on path or hash alone (R-PEER-2)', () => {
    for (const selectors of [['unix:path:/bin/a'], ['unix:sha256:ab'], ['unix:path:/bin/a', 'unix:sha256:ab']]) {
      const [warning, ...more] = entryWarnings(check({ selectors }));
      expect(warning).toContain('rests on unix:path or unix:sha256 alone');
      expect(warning).toContain('Add a selector that says who runs it, such as unix:uid.');
      expect(more).toEqual([]);
    }
    expect(entryWarnings(check({ selectors: ['unix:path:/bin/a', 'unix:uid:7'] }))).toEqual([]);
  });

  it('come for an entry whose workload may ask for any audience', () => {
    expect(entryWarnings(check({ audiences: ['*'] }))).toEqual([expect.stringContaining('a token for every service')]);
  });
});
