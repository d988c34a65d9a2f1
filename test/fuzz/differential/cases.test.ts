/** The tables that other people's verifiers judge as well (`make fuzz`): what of them is accepted here, and nothing else. */
import { describe, expect, it } from 'vitest';
import { chainCases } from './chain-cases.ts';
import { ourRefusal } from './chains.ts';
import { tokenCases } from './token-cases.ts';
import { ourVerdict } from './tokens.ts';

const goodTokens = [
  'a good token',
  'header: typ "JOSE"',
  'header: without typ',
  'header: blanks',
  'claims: aud "reports"',
  'claims: aud ["other","reports"]',
  'claims: aud ["reports","reports"]',
  'claims: iat in 30 s',
  'claims: iat long ago',
  'claims: nbf long ago',
  'claims: iss text',
  'claims: jti text',
  'claims: without iat',
  'claims: sub and SUB',
  'claims: an exponent in exp',
  'signature: the other s',
  'signature: RS256',
  'signature: PS256',
  'signature: ES384',
];

const goodChains = [
  'leaf below the root',
  'one intermediate',
  'two intermediates',
  'two intermediates, wrong order',
  'the root in the chain',
  'a certificate that nobody needs',
  'an intermediate as the anchor',
  'four intermediates',
  'two roots of one name',
  'key identifiers that agree',
  'a leaf when it begins',
  'a leaf when it ends',
  'a leaf that outlives its root',
  'the year 9999',
  'a URI with 2048 bytes',
  'a URI and a DNS name',
  'a URI and an address',
  'a URI and a mailbox',
  'an other name',
  'a directory name',
  'a registered ID',
  'alternative names that are critical',
  'an empty subject, names critical',
  'a leaf without basic constraints',
  'a leaf for servers and clients',
  'an unknown extension',
  'name constraints in a leaf',
  'a serial number of 20 bytes',
  'an algorithm with parameters',
  'an intermediate whose basic constraints are not critical',
  'an intermediate with a path length of 0',
  'an intermediate for mail',
  'an intermediate of our trust domain',
  'a path as long as the root allows',
  'a root without a URI',
  'our host is permitted',
  'hosts below .org are permitted',
  'another host is excluded',
  'our host is permitted, not critical',
  'a DNS name that is permitted',
  'DNS names are permitted, there is none',
  'a mailbox is permitted, there is none',
  'a root with rsa2048',
  'a root with p384',
  'a root with p521',
  'a root with ed25519',
  'a leaf with rsa2048',
  'a leaf with p384',
  'a leaf with p521',
  'a leaf with ed25519',
  'a subject with an empty set',
  'a subject in PrintableString',
  'a subject with a NUL',
];

describe('what a stranger could present', () => {
  it('R-JWT-1 of 208 tokens, most of them changed in one thing and signed by the real key, exactly the sound ones are accepted', () => {
    expect(tokenCases.length).toBeGreaterThanOrEqual(208);
    const accepted = tokenCases.filter(({ token }) => ourVerdict(token).refusal === undefined);
    expect(accepted.map(({ name }) => name)).toEqual(goodTokens);
  });

  it('R-X509-1 of 203 chains exactly the sound ones are accepted', () => {
    expect(chainCases.length).toBeGreaterThanOrEqual(203);
    expect(chainCases.filter((one) => ourRefusal(one) === undefined).map(({ name }) => name)).toEqual(goodChains);
  });
});
