import { describe, expect, it } from 'vitest';
import { Issuer } from './issuer.ts';

const refused = (text: string): string => {
  try {
    Issuer.parse(text);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'accepted';
};

describe('the URL of an issuer', () => {
  it.each([
    'https://id.example.org',
    'https://localhost:8443',
    'https://id.example.org/tenant/a',
    'https://[::1]:8443',
  ])('R-NET-4 takes %s as it is written', (text) => expect(Issuer.parse(text)).toBe(text));

  it.each([
    ['https://id.example.org/', /slash.*: https:\/\/id\.example\.org$/],
    ['https://id.example.org/a/', /slash.*: https:\/\/id\.example\.org\/a$/],
    ['http://id.example.org', /https: .*: https:\/\/id\.example\.org$/],
    ['ftp://id.example.org', /https/],
    ['https://id.example.org:443', /port.*: https:\/\/id\.example\.org$/],
    ['https://ID.example.org', /spelled.*: https:\/\/id\.example\.org$/],
    ['https://id.example.org?', /query/],
    ['https://id.example.org#a', /fragment/],
    ['https://me@id.example.org', /user/],
    ['https://@id.example.org', /user/],
    ['https://id.example.org/a/../b', /spelled/],
    ['https://id.example.org/a//b', /path/],
    ['https://id.example.org/%41', /path/],
    [
      'https://id.example.org/.well-known/openid-configuration',
      /before the well-known part: https:\/\/id\.example\.org$/,
    ],
    ['https:id.example.org', /spelled/],
    ['id.example.org', /must look like/],
    ['', /must look like/],
    [`https://id.example.org/${'a'.repeat(600)}`, /longer than 600/],
  ])('R-NET-4 refuses %s and says what to write', (text, message) => expect(refused(text)).toMatch(message));

  it('knows its path and its name in a trust policy', () => {
    const [plain, deep] = ['https://id.example.org', 'https://id.example.org/a/b'].map(Issuer.parse);
    expect([plain, deep].map((one) => one && Issuer.path(one))).toEqual(['', '/a/b']);
    expect(deep && Issuer.withoutScheme(deep)).toBe('id.example.org/a/b');
  });
});
