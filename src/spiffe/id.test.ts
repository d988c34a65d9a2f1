import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdentityError } from '../errors.ts';
import { SpiffeId, TrustDomain } from './id.ts';

const refused = (text: string): IdentityError | undefined => {
  try {
    SpiffeId.parse(text);
    return undefined;
  } catch (error) {
    if (error instanceof IdentityError) return error;
    throw error;
  }
};

/** Refused as a whole ID, with the right code, and without the text coming back in the message. */
function expectRefused(...texts: readonly string[]): void {
  for (const text of texts) {
    const error = refused(text);
    expect(error, JSON.stringify(text)).toMatchObject({ code: 'invalid-argument', reason: 'spiffe-id' });
    if (text.length > 20) expect(error?.message).not.toContain(text);
  }
}

function expectAccepted(...texts: readonly string[]): void {
  for (const text of texts) expect(SpiffeId.parse(text), text).toBe(text);
}

describe('SPIFFE IDs', () => {
  it('are accepted as the vectors of the standard have it', () => {
    expectAccepted(
      'spiffe://trustdomain',
      'spiffe://trustdomain/path',
      'spiffe://trustdomain/path/element',
      'spiffe://trustdomain/.path',
      'spiffe://trustdomain/..path',
      'spiffe://trustdomain/...',
      'spiffe://1.2.3.4/a',
      'spiffe://a_b/a',
      'spiffe://a..b/a',
      'spiffe://-/a',
    );
  });

  it('ID-01 refuses any other scheme and says which is wanted', () => {
    expectRefused(
      '',
      's',
      'spiffe:/',
      'spiffe:/td/a',
      'spiffe:/td/path',
      'spiffe:td',
      'https://td/a',
      'Spiffe://',
      'xspiffe://td/a',
    );
    expect(() => SpiffeId.parse('https://td/a')).toThrow('The SPIFFE ID must begin with spiffe://');
    expect(() => SpiffeId.parse('')).toThrow('The SPIFFE ID is empty; it looks like spiffe://example.org/web');
  });

  it('ID-02 refuses an empty trust domain', () => {
    expectRefused('spiffe://', 'spiffe:///', 'spiffe:///a', 'spiffe:///path');
    expect(() => SpiffeId.parse('spiffe:///a')).toThrow('its trust domain is missing');
  });

  it('ID-03 refuses a query', () => {
    expectRefused('spiffe://td/a?x=1', 'spiffe://td?x', 'spiffe://td?q', 'spiffe://td/a?', 'spiffe://td/a?q=1');
  });

  it('ID-04 refuses a fragment', () => {
    expectRefused('spiffe://td/a#f', 'spiffe://td#', 'spiffe://td#f', 'spiffe://td/a#');
  });

  it('ID-05 refuses user information', () => {
    expectRefused('spiffe://u@td/a', 'spiffe://u:p@td/a', 'spiffe://user@td/a', 'spiffe://@td/a');
  });

  it('ID-06 refuses a port, even an empty one, and bracketed addresses', () => {
    expectRefused('spiffe://td:1/a', 'spiffe://td:8080/a', 'spiffe://td:/a', 'spiffe://[::1]/a');
  });

  it('ID-07 ID-21 refuses upper case in scheme and trust domain instead of folding it', () => {
    expectRefused('spiffe://TD/a', 'spiffe://TrustDomain/path', 'SPIFFE://td/a', 'Spiffe://td/a', 'spiffe://tD');
  });

  it('ID-08 accepts exactly 39 of the 256 code points in a trust domain', () => {
    const legal = new Set('abcdefghijklmnopqrstuvwxyz0123456789.-_');
    const accepted = alphabet.filter((character) => character !== '/' && !refused(`spiffe://td${character}`));
    expect(accepted).toEqual(alphabet.filter((character) => legal.has(character)));
    expect(accepted).toHaveLength(39);
  });

  it('ID-09 ID-11 refuses percent-encoding in trust domain and path', () => {
    expectRefused(
      'spiffe://%62ad/a',
      'spiffe://%F0%9F%A4%AF/path',
      'spiffe://%62%61%64/path',
      'spiffe://td/%61',
      'spiffe://trustdomain/%F0%9F%A4%AF',
      'spiffe://trustdomain/%62%61%64',
    );
  });

  it('ID-10 treats no trust domain differently for looking like an address or a DNS name', () => {
    for (const name of ['10.0.0.1', 'a..b', '-', '_x_', 'prod', '.', 'example.org']) {
      const id = SpiffeId.parseWorkload(`spiffe://${name}/web`);
      expect(SpiffeId.trustDomain(id)).toBe(name);
      expect(TrustDomain.id(TrustDomain.parse(name))).toBe(`spiffe://${name}`);
    }
  });

  it('ID-12 refuses empty segments', () => {
    expectRefused('spiffe://td//a', 'spiffe://td/a//b', 'spiffe://trustdomain//', 'spiffe://trustdomain//path');
  });

  it('ID-13 refuses dot segments wherever they stand', () => {
    for (const path of ['/.', '/./path', '/path/./other', '/path/..', '/..', '/../path', '/path/../other', '/path/.']) {
      expectRefused(`spiffe://trustdomain${path}`);
    }
    expectAccepted('spiffe://td/...', 'spiffe://td/.a', 'spiffe://td/..a', 'spiffe://td/a..');
  });

  it('ID-14 refuses a trailing slash', () => {
    expectRefused('spiffe://td/', 'spiffe://trustdomain/', 'spiffe://td/a/', 'spiffe://trustdomain/path/');
  });

  it('ID-15 accepts exactly 65 of the 256 code points in a segment', () => {
    const legal = new Set('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_');
    const accepted = alphabet.filter((character) => character !== '/' && !refused(`spiffe://td/a${character}`));
    expect(accepted).toEqual(alphabet.filter((character) => legal.has(character)));
    expect(accepted).toHaveLength(65);
  });

  it('refuses blanks, controls, backslashes and everything beyond ASCII', () => {
    expectRefused(
      ...[
        ' spiffe://td/a',
        'spiffe://td/a ',
        'spiffe://td/a\n',
        'spiffe://td/a\r',
        'spiffe://td/a\t',
        'spiffe://td/\0',
      ],
      ...['spiffe://trust$domain', 'spiffe://trustdomain/path$', 'spiffe://td/a\\b', 'spiffe://td\n/a'],
      ...['spiffe://tđ/a', 'spiffe://td/а', 'spiffe://td/🤯', 'spiffe://td/a\u2028', 'spiffe://ｔｄ/a'],
    );
  });

  it('ID-16 accepts a path of twenty segments', () => {
    expectAccepted(`spiffe://td${'/segment'.repeat(20)}`);
  });

  it('ID-17 ID-18 accepts 2048 bytes and refuses 2049', () => {
    const longest = `spiffe://td/${'a'.repeat(2048 - 12)}`;
    expect(SpiffeId.parseWorkload(longest)).toHaveLength(2048);
    expect(() => SpiffeId.parse(`${longest}a`)).toThrow('The SPIFFE ID is longer than 2048 bytes');
  });

  it('ID-19 accepts a trust domain of 255 bytes and refuses one of 256', () => {
    expectAccepted(`spiffe://${'a'.repeat(255)}/web`);
    expectRefused(`spiffe://${'a'.repeat(256)}/web`);
    expect(TrustDomain.parse('a'.repeat(255))).toHaveLength(255);
    expect(() => TrustDomain.parse('a'.repeat(256))).toThrow('The trust domain is longer than 255 bytes');
  });

  it('ID-20 ID-22 compares byte by byte: paths are case-sensitive and nothing is normalised', () => {
    expect(SpiffeId.parse('spiffe://td/a')).not.toBe(SpiffeId.parse('spiffe://td/A'));
    expectRefused('spiffe://td/a/../b', 'spiffe://td/%62');
  });

  it('XC-03 gives a workload no ID without a path', () => {
    expect(SpiffeId.parseWorkload('spiffe://td/a')).toBe('spiffe://td/a');
    for (const id of ['spiffe://td', 'spiffe://td/']) {
      expect(() => SpiffeId.parseWorkload(id)).toThrow(IdentityError);
    }
    expect(() => SpiffeId.parseWorkload('spiffe://td')).toThrow('needs a path, as in spiffe://example.org/web');
  });

  it('come apart into trust domain and path', () => {
    const id = SpiffeId.parse('spiffe://example.org/web/1');
    expect([SpiffeId.trustDomain(id), SpiffeId.path(id)]).toEqual(['example.org', '/web/1']);
    const own = SpiffeId.parse('spiffe://example.org');
    expect([SpiffeId.trustDomain(own), SpiffeId.path(own)]).toEqual(['example.org', '']);
  });

  it('print as they were parsed and come back together from their parts (R-ID-1)', () => {
    fc.assert(
      fc.property(trustDomainText, fc.array(segmentText, { maxLength: 6 }), (name, segments) => {
        const text = ['spiffe:/', '', name, ...segments].join('/').replace('///', '//');
        const id = SpiffeId.parse(text);
        expect(`${TrustDomain.id(SpiffeId.trustDomain(id))}${SpiffeId.path(id)}`).toBe(text);
      }),
    );
  });

  it('are never made from text that the grammar does not have (R-ID-1)', () => {
    const grammar = /^spiffe:\/\/[a-z0-9._-]{1,255}(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+)*$/;
    const pieces = fc.constantFrom('spiffe://', 'td', '/', '..', '.', 'A', '%2e', '?', '#', '@', ':', ' ', '\n', 'ü');
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => {
        const text = `spiffe://${parts.join('')}`;
        expect(refused(text) === undefined, text).toBe(grammar.test(text));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('trust domains', () => {
  it('are written as bare names, so that there is one way to write them', () => {
    expect(TrustDomain.parse('trustdomain')).toBe('trustdomain');
    for (const text of ['spiffe://trustdomain', 'spiffe://trustdomain/path', 'TD', '', 'a/b', 'td:1', 'u@td', 'td ']) {
      expect(() => TrustDomain.parse(text), text).toThrow(IdentityError);
    }
    expect(() => TrustDomain.parse('spiffe://td')).toThrow('is written as a bare name, such as example.org');
  });
});

const alphabet = Array.from({ length: 256 }, (_, code) => String.fromCodePoint(code));
const characters = (set: string, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...set), minLength: 1, maxLength });
const trustDomainText = characters('abcz019.-_', 40);
const segmentText = characters('abzABZ019.-_', 12).filter((text) => text !== '.' && text !== '..');
