import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { mintCa } from '../../test/fakes/minter.ts';
import type { Bundle } from './bundle.ts';
import { formatBundleMap, parseBundleMap } from './bundle-map.ts';
import { TrustDomain } from './id.ts';

const { der } = await mintCa('a.example');
const publicKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
const bundleOf = (name: string): Bundle => ({
  ...{ trustDomain: TrustDomain.parse(name), x509Authorities: [der], jwtAuthorities: [{ keyId: 'k', publicKey }] },
  ...{ sequence: 2n ** 60n, refreshHintSeconds: 60 },
});

const refuses = (text: string, message: string): void =>
  expect(() => parseBundleMap(text)).toThrow(
    expect.objectContaining({ code: 'invalid-argument', message: expect.stringContaining(message) }),
  );

describe('a bundle map', () => {
  it('BM-01 BM-02 has trust_domains, by name, each once, and may be empty', () => {
    expect(formatBundleMap([])).toBe('{"trust_domains":{}}');
    expect(parseBundleMap('{"trust_domains":{},"more":1}').size).toBe(0);
    const text = formatBundleMap([bundleOf('a.example'), bundleOf('b.example')]);
    expect(Object.keys(JSON.parse(text).trust_domains)).toEqual(['a.example', 'b.example']);
    expect(() => formatBundleMap([bundleOf('a.example'), bundleOf('a.example')])).toThrow(TypeError);
  });

  it('comes back as it was written, sequences exact', () => {
    const bundle = bundleOf('a.example');
    const read = parseBundleMap(formatBundleMap([bundle])).get(bundle.trustDomain);
    expect(read).toMatchObject({ trustDomain: 'a.example', x509Authorities: [der], sequence: 2n ** 60n });
  });

  it('BM-04 BM-05 has no refresh hints inside, and reads none', () => {
    expect(formatBundleMap([bundleOf('a.example')])).not.toContain('refresh_hint');
    const read = parseBundleMap('{"trust_domains":{"a":{"keys":[],"spiffe_refresh_hint":1}}}');
    expect([...read.values()][0]?.refreshHintSeconds).toBeUndefined();
  });

  it('BM-03 is refused with a trust domain twice', () => {
    refuses('{"trust_domains":{"a":{"keys":[]},"a":{"keys":[]}}}', 'a member is there twice');
  });

  it('BM-06 is refused with a key that is no trust domain name', () => {
    for (const name of ['spiffe://a', 'A', '', 'a/b'])
      refuses(`{"trust_domains":{"${name}":{"keys":[]}}}`, 'The trust domain');
  });

  it('BM-07 is refused as a whole for one broken bundle', () => {
    refuses('{"trust_domains":{"a":{"keys":[]},"b":{}}}', 'it has no list of keys');
    for (const text of ['{}', '{"trust_domains":null}', '{"trust_domains":[]}', '[]'])
      refuses(text, 'has no trust_domains');
  });
});
