import { describe, expect, it } from 'vitest';
import { extension, type Minted, type MintOptions, mint, mintCa, usage } from '../../test/fakes/minter.ts';
import { encode, sequence } from './der-write.ts';
import { verifyPath } from './path.ts';
import type { PathReason } from './refusal.ts';

const at = Date.parse('2026-11-23T12:00:00Z');
const uri = 'spiffe://a.example/web';
const leafOf = (issuer: Minted, options: MintOptions = {}): Promise<Minted> =>
  mint({ issuer, uris: [uri], ...options });
const ders = (...minted: Minted[]): Buffer[] => minted.map(({ der }) => der);
const root = await mintCa('a.example');
const leaf = await leafOf(root);

function expectRefused(chain: Minted[], roots: Minted[], reason: PathReason, moment = at): void {
  expect(() => verifyPath(ders(...chain), ders(...roots), moment), reason).toThrow(
    expect.objectContaining({ code: 'invalid-argument', message: 'The certificate path is not valid', reason }),
  );
}

const accepted = (chain: Minted[], roots: Minted[], moment = at): number =>
  verifyPath(ders(...chain), ders(...roots), moment).length;

describe('a path', () => {
  it('XC-19 leads from the leaf by intermediates, in any order, to a root', async () => {
    const upper = await mintCa('a.example', { issuer: root, subject: 'CN=upper' });
    const lower = await mintCa('a.example', { issuer: upper, subject: 'CN=lower' });
    const below = await leafOf(lower);
    expect(accepted([leaf], [root])).toBe(2);
    expect(accepted([below, lower, upper], [root])).toBe(4);
    expect(accepted([below, upper, lower], [root])).toBe(4);
    expect(accepted([below, lower, upper, root], [root])).toBe(4);
    expect(accepted([below, lower, upper], [upper])).toBe(3);
    const found = verifyPath(ders(below, upper, lower), ders(root), at).map(({ der }) => der);
    expect(found).toEqual(ders(below, lower, upper, root));
    expectRefused([below, lower], [root], 'path-no-issuer');
  });

  it('XC-37 is verified with ECDSA on three curves, RSA and Ed25519', async () => {
    for (const key of ['P-256', 'P-384', 'P-521', 'RSA', 'Ed25519'] as const) {
      const ca = await mintCa('a.example', { key });
      expect(accepted([await leafOf(ca, { key })], [ca]), key).toBe(2);
    }
  });

  it('XC-21 refuses a signature of another key under the same name and identifier', async () => {
    const stranger = await mintCa('a.example');
    const forged = await leafOf(root, { signedBy: stranger, withoutKeyIds: true });
    expectRefused([forged], [root], 'path-signature');
    const flipped = Buffer.from(leaf.der);
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    expectRefused([{ ...leaf, der: flipped }], [root], 'path-signature');
    expectRefused([await leafOf(stranger)], [root], 'path-no-issuer');
  });

  it('XC-21 refuses another issuer name, even over a good signature', async () => {
    expectRefused([await leafOf(root, { issuerName: 'CN=Someone else' })], [root], 'path-no-issuer');
    expectRefused([await leafOf(root, { issuerName: 'CN=ca of a.example' })], [root], 'path-no-issuer');
  });

  it('XC-21 holds from notBefore to notAfter, both included, for every certificate of it', async () => {
    const times = { notBefore: '2026-11-23T12:00:00Z', notAfter: '2026-11-23T13:00:00Z' };
    const [begin, end] = [Date.parse(times.notBefore), Date.parse(times.notAfter)];
    const young = await leafOf(root, times);
    const youngRoot = await mintCa('a.example', times);
    const under = await leafOf(youngRoot);
    for (const [chain, roots] of [
      [[young], [root]],
      [[under], [youngRoot]],
    ] as const) {
      expect(accepted([...chain], [...roots], begin)).toBe(2);
      expect(accepted([...chain], [...roots], end)).toBe(2);
      expectRefused([...chain], [...roots], 'path-not-yet-valid', begin - 1);
      expectRefused([...chain], [...roots], 'path-expired', end + 1);
    }
  });

  it('XC-21 XC-14 counts intermediates against every pathLenConstraint above them', async () => {
    const top = await mintCa('a.example', { ca: { pathLength: 0 } });
    expect(accepted([await leafOf(top)], [top])).toBe(2);
    const below = await mintCa('a.example', { issuer: top, subject: 'CN=below' });
    expectRefused([await leafOf(below), below], [top], 'path-length-exceeded');
    const one = await mintCa('a.example', { ca: { pathLength: 1 } });
    const first = await mintCa('a.example', { issuer: one, subject: 'CN=first' });
    const second = await mintCa('a.example', { issuer: first, subject: 'CN=second' });
    expect(accepted([await leafOf(first), first], [one])).toBe(3);
    expectRefused([await leafOf(second), second, first], [one], 'path-length-exceeded');
  });

  it('XC-21 refuses a critical extension that nobody understands, in leaf and CA', async () => {
    const unknown = extension('1.3.6.1.4.1.65980.99', true, sequence());
    expectRefused([await leafOf(root, { extensions: [unknown] })], [root], 'path-critical-extension');
    const ca = await mintCa('a.example', { extensions: [unknown] });
    expectRefused([await leafOf(ca)], [ca], 'path-critical-extension');
    const harmless = extension('1.3.6.1.4.1.65980.99', false, sequence());
    expect(accepted([await leafOf(root, { extensions: [harmless] })], [root])).toBe(2);
  });

  it('XC-13 wants the CA flag and keyCertSign of every issuer', async () => {
    const notCa = await mint({ issuer: root, subject: 'CN=not a CA', keyUsage: usage.keyCertSign });
    expectRefused([await leafOf(notCa), notCa], [root], 'path-not-a-ca');
    const noSign = await mintCa('a.example', { issuer: root, subject: 'CN=x', keyUsage: usage.cRLSign });
    expectRefused([await leafOf(noSign), noSign], [root], 'path-no-cert-sign');
    const noUsage = await mintCa('a.example', { subject: 'CN=x', keyUsage: undefined });
    expectRefused([await leafOf(noUsage)], [noUsage], 'path-no-cert-sign');
    expectRefused([await leafOf(leaf), leaf], [root], 'path-not-a-ca');
  });

  it('is empty without a chain, and leads nowhere without roots', () => {
    expectRefused([], [root], 'path-empty');
    expectRefused([leaf], [], 'path-no-issuer');
  });

  it('does not begin at a root: the leaf itself among the roots proves nothing', async () => {
    const alone = await mint({ uris: [uri] });
    expectRefused([alone], [alone], 'path-not-a-ca');
    expectRefused([leaf], [leaf], 'path-no-issuer');
  });

  it('SE-27 has at most ten certificates, four intermediates and 24 signatures to check', async () => {
    const cas = [root];
    for (let depth = 1; depth <= 5; depth++) {
      cas.push(await mintCa('a.example', { issuer: cas[depth - 1], subject: `CN=${depth}` }));
    }
    const [, one, two, three, four, five] = cas as [Minted, Minted, Minted, Minted, Minted, Minted];
    expect(accepted([await leafOf(four), four, three, two, one], [root])).toBe(6);
    expectRefused([await leafOf(five), five, four, three, two, one], [root], 'path-too-long');
    expectRefused(Array<Minted>(11).fill(leaf), [root], 'path-too-long');
    const twins = await Promise.all(Array.from({ length: 25 }, () => mintCa('a.example', { withoutKeyIds: true })));
    expectRefused([await leafOf(root, { withoutKeyIds: true })], twins, 'path-too-costly');
  });

  it('is found among roots of one name, as there are after a rotation', async () => {
    const next = await mintCa('a.example');
    const newer = await leafOf(next);
    for (const roots of [
      [root, next],
      [next, root],
    ]) {
      expect(accepted([leaf], roots)).toBe(2);
      expect(accepted([newer], roots)).toBe(2);
    }
  });
});

describe('name constraints', () => {
  const form = { uri: 6, dns: 2, email: 1 };
  const subtree = (kind: number, base: string): Buffer => sequence(encode(0x80 | kind, Buffer.from(base)));
  const constraints = (permitted: Buffer[], excluded: Buffer[] = []) =>
    extension(
      '2.5.29.30',
      true,
      sequence(
        ...(permitted.length > 0 ? [encode(0xa0, ...permitted)] : []),
        ...(excluded.length > 0 ? [encode(0xa1, ...excluded)] : []),
      ),
    );
  const constrained = (permitted: Buffer[], excluded: Buffer[] = []): Promise<Minted> =>
    mintCa('a.example', { uris: [], extensions: [constraints(permitted, excluded)] });

  it('XC-31 keep every leaf below inside the permitted hosts', async () => {
    const ca = await constrained([subtree(form.uri, 'a.example')]);
    expect(accepted([await leafOf(ca)], [ca])).toBe(2);
    for (const outside of ['b.example', 'x.a.example', 'aa.example', 'a.example.b']) {
      expectRefused([await leafOf(ca, { uris: [`spiffe://${outside}/web`] })], [ca], 'path-name-constraints');
    }
  });

  it('XC-31 hold through the intermediates between, and for them', async () => {
    const ca = await constrained([subtree(form.uri, 'a.example')]);
    const plain = await mintCa('a.example', { issuer: ca, subject: 'CN=plain', uris: [] });
    expect(accepted([await leafOf(plain), plain], [ca])).toBe(3);
    expectRefused([await leafOf(plain, { uris: ['spiffe://b.example/web'] }), plain], [ca], 'path-name-constraints');
    const foreign = await mintCa('b.example', { issuer: ca });
    expectRefused([await leafOf(foreign), foreign], [ca], 'path-name-constraints');
  });

  it('take a leading dot for the hosts below, not the host itself', async () => {
    const ca = await constrained([subtree(form.uri, '.a.example')]);
    expect(accepted([await leafOf(ca, { uris: ['spiffe://x.a.example/web'] })], [ca])).toBe(2);
    expectRefused([await leafOf(ca)], [ca], 'path-name-constraints');
  });

  it('refuse what is excluded, also inside what is permitted', async () => {
    const ca = await constrained([subtree(form.uri, '.example')], [subtree(form.uri, 'b.example')]);
    expect(accepted([await leafOf(ca)], [ca])).toBe(2);
    expectRefused([await leafOf(ca, { uris: ['spiffe://b.example/web'] })], [ca], 'path-name-constraints');
  });

  it('refuse a URI whose host is an address or missing, as RFC 5280 has it', async () => {
    const ca = await constrained([], [subtree(form.uri, 'b.example')]);
    const hostless = ['spiffe://10.0.0.1/web', 'urn:web', 'https://[::1]/', 'https:///web', 'https://b.example:443/x'];
    for (const one of [...hostless, 'https://u@B.example']) {
      expectRefused([await leafOf(ca, { uris: [one] })], [ca], 'path-name-constraints');
    }
    expect(accepted([await leafOf(ca, { uris: ['https://c.example:443/b.example'] })], [ca])).toBe(2);
  });

  it('keep DNS names inside, and leave a leaf without DNS names alone', async () => {
    const ca = await constrained([subtree(form.dns, 'a.example')]);
    expect(accepted([await leafOf(ca)], [ca])).toBe(2);
    expect(accepted([await leafOf(ca, { dnsNames: ['a.example', 'x.a.example'] })], [ca])).toBe(2);
    expectRefused([await leafOf(ca, { dnsNames: ['xa.example'] })], [ca], 'path-name-constraints');
  });

  it('on forms that are not compared refuse every name of that form', async () => {
    const email = await constrained([subtree(form.email, 'a.example')]);
    expect(accepted([await leafOf(email)], [email])).toBe(2);
    const name = await constrained([sequence(encode(0xa4, sequence()))]);
    expectRefused([await leafOf(name)], [name], 'path-name-constraints');
  });

  it('that exclude an empty host exclude every URI, as Go reads it, and permit none', async () => {
    for (const ca of [await constrained([], [subtree(form.uri, '')]), await constrained([subtree(form.uri, '')])])
      expectRefused([await leafOf(ca)], [ca], 'path-name-constraints');
  });
});
