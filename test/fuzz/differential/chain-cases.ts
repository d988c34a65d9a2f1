/** Home-made chains, one thing wrong or odd in each (R-X509-1). Whether it is wrong is for the judges to say. */
import * as f from '../forge.ts';

export interface ChainCase {
  readonly name: string;
  /** Leaf first. */
  readonly chain: readonly Buffer[];
  readonly roots: readonly Buffer[];
  readonly at: number;
}

export const now = Date.UTC(2026, 10, 23, 12);
export const trustDomain = 'example.org';
const own = f.uri('spiffe://example.org');
const id = f.uri('spiffe://example.org/web');

const rootName = { subject: 'root', key: 'root' };
const middleName = { subject: 'middle', key: 'middle' };
const lowerName = { subject: 'lower', key: 'lower' };
const webName = { subject: 'web', key: 'web' };

const caBasics = [f.basicConstraints(true), f.keyUsage([5, 6])];
const leafBasics = [f.basicConstraints(false), f.keyUsage([0])];

type Changes = Partial<f.Forgery>;
const ca = (extensions: readonly Buffer[] = [f.names(false, own)], changes: Changes = {}): Buffer =>
  f.forge({ ...rootName, extensions: [...caBasics, ...extensions], ...changes });
const middle = (extensions: readonly Buffer[] = [], changes: Changes = {}): Buffer =>
  ca(extensions, { ...middleName, issuer: rootName, ...changes });
const leaf = (extensions: readonly Buffer[] = [f.names(false, id)], changes: Changes = {}): Buffer =>
  f.forge({ ...webName, issuer: rootName, extensions: [...leafBasics, ...extensions], ...changes });

const root = ca();
const below = { issuer: middleName };
const under = (name: string): Changes => ({ issuer: { subject: name, key: name } });

const cases: ChainCase[] = [];
const add = (name: string, chain: readonly Buffer[], roots: readonly Buffer[] = [root], at = now): void =>
  void cases.push({ name, chain, roots, at });

function paths(): void {
  const lower = f.forge({ ...lowerName, ...below, extensions: caBasics });
  const lowest = leaf(undefined, under('lower'));
  add('leaf below the root', [leaf()]);
  add('one intermediate', [leaf(undefined, below), middle()]);
  add('two intermediates', [lowest, lower, middle()]);
  add('two intermediates, wrong order', [lowest, middle(), lower]);
  add('the root in the chain', [leaf(), root]);
  add('a certificate that nobody needs', [leaf(), middle()]);
  add('an intermediate is missing', [lowest, lower]);
  add('an empty chain', []);
  add('no roots', [leaf()], []);
  add('an intermediate as the anchor', [leaf(undefined, below)], [middle()]);
  add('self-signed, not in the bundle', [f.forge({ ...webName, extensions: [...leafBasics, f.names(false, id)] })]);
  const own = f.forge({ ...webName, extensions: [...leafBasics, f.names(false, id)] });
  add('self-signed leaf as its own anchor', [own], [own]);
  const chain = ['i1', 'i2', 'i3', 'i4', 'i5', 'i6'].map((name, index, all) =>
    ca([], {
      subject: name,
      key: name,
      issuer: index === 0 ? rootName : { subject: `${all[index - 1]}`, key: `${all[index - 1]}` },
    }),
  );
  add('four intermediates', [leaf(undefined, under('i4')), ...chain.slice(0, 4).reverse()]);
  add('six intermediates', [leaf(undefined, under('i6')), ...chain.toReversed()]);
  add('a loop of two', [
    leaf(undefined, under('l1')),
    ca([], { subject: 'l1', key: 'l1', issuer: { subject: 'l2', key: 'l2' } }),
    ca([], { subject: 'l2', key: 'l2', issuer: { subject: 'l1', key: 'l1' } }),
  ]);
  add('a stranger under the root’s name', [leaf(undefined, { issuer: { subject: 'root', key: 'stranger' } })]);
  add('the root’s key under another name', [leaf(undefined, { issuer: { subject: 'other', key: 'root' } })]);
  add('the issuer’s name in other letters', [leaf(undefined, { issuer: { subject: 'ROOT', key: 'root' } })]);
  add('two roots of one name', [leaf()], [ca(undefined, { key: 'stranger' }), root]);
  add(
    'key identifiers that agree',
    [leaf([f.names(false, id), f.authorityKeyId('root')])],
    [ca([f.names(false, f.uri('spiffe://example.org')), f.subjectKeyId('root')])],
  );
  add(
    'key identifiers that do not agree',
    [leaf([f.names(false, id), f.authorityKeyId('x')])],
    [ca([f.subjectKeyId('root')])],
  );
}

function times(): void {
  const from = Date.UTC(2026, 0, 1);
  const to = Date.UTC(2026, 5, 1);
  const brief = leaf(undefined, { notBefore: from, notAfter: to });
  for (const [what, at] of [
    ['before it begins', from - 1000],
    ['when it begins', from],
    ['when it ends', to],
    ['a second after its end', to + 1000],
  ] as const)
    add(`a leaf ${what}`, [brief], [root], at);
  add('an intermediate that is over', [leaf(undefined, below), middle([], { notAfter: to })]);
  add('a root that is over', [leaf()], [ca(undefined, { notAfter: to })]);
  add('a root that is not yet', [leaf()], [ca(undefined, { notBefore: Date.UTC(2027, 0, 1) })]);
  add('a leaf that outlives its root', [leaf(undefined, { notAfter: Date.UTC(2040, 0, 1) })]);
  add('an end before the beginning', [leaf(undefined, { notBefore: to, notAfter: from })], [root], from);
  add('GeneralizedTime before 2050', [leaf(undefined, validity('18', '20260101000000Z', '18', '20360101000000Z'))]);
  add('UTCTime without seconds', [leaf(undefined, validity('17', '2601010000Z', '17', '3601010000Z'))]);
  add('UTCTime with an offset', [leaf(undefined, validity('17', '260101000000+0000', '17', '360101000000+0000'))]);
  add('fractions of a second', [leaf(undefined, validity('18', '20260101000000.5Z', '18', '20500101000000.5Z'))]);
  add('30 February', [leaf(undefined, validity('17', '260230000000Z', '17', '360101000000Z'))]);
  add('the year 9999', [leaf(undefined, { notAfter: Date.UTC(9999, 11, 31, 23, 59, 59) })]);
}

const validity = (...parts: readonly [string, string, string, string]): Changes => {
  const [a, from, b, to] = parts;
  const time = (tag: string, text: string): Buffer => f.der(Number.parseInt(tag, 16), Buffer.from(text));
  return { validity: f.sequence(time(a, from), time(b, to)) };
};

function names(): void {
  const named = (name: string, ...all: readonly Buffer[]): void =>
    add(name, [leaf(all.length === 0 ? [] : [f.names(false, ...all)])]);
  const uris: Readonly<Record<string, string | Buffer>> = {
    'another trust domain': 'spiffe://other.org/web',
    'a trust domain below ours': 'spiffe://sub.example.org/web',
    'a trust domain that begins like ours': 'spiffe://example.org.evil/web',
    'no path': 'spiffe://example.org',
    'a slash for a path': 'spiffe://example.org/',
    'a slash at the end': 'spiffe://example.org/web/',
    'an empty segment': 'spiffe://example.org//web',
    'dot segments': 'spiffe://example.org/a/../web',
    'a dot segment': 'spiffe://example.org/./web',
    'a percent sign': 'spiffe://example.org/w%65b',
    'a query': 'spiffe://example.org/web?x=1',
    'an empty query': 'spiffe://example.org/web?',
    'a fragment': 'spiffe://example.org/web#x',
    'an empty fragment': 'spiffe://example.org/web#',
    'a user': 'spiffe://user@example.org/web',
    'a port': 'spiffe://example.org:443/web',
    'an empty port': 'spiffe://example.org:/web',
    'a scheme in capitals': 'SPIFFE://example.org/web',
    'a trust domain in capitals': 'spiffe://EXAMPLE.org/web',
    https: 'https://example.org/web',
    'no scheme': '//example.org/web',
    'one slash': 'spiffe:/example.org/web',
    'no trust domain': 'spiffe:///web',
    'an IPv6 address': 'spiffe://[::1]/web',
    'a NUL': 'spiffe://example.org/web\0.evil',
    'a NUL after the trust domain': 'spiffe://example.org\0.evil/web',
    'a line break': 'spiffe://example.org/web\n',
    'a blank': 'spiffe://example.org/we b',
    'UTF-8': Buffer.from('spiffe://example.org/wéb'),
    'a wide dot': Buffer.from('spiffe://example．org/web'),
    'a backslash': 'spiffe://example.org\\@evil/web',
    '2048 bytes': `spiffe://example.org/${'a'.repeat(2027)}`,
    '2049 bytes': `spiffe://example.org/${'a'.repeat(2028)}`,
    'nothing in it': '',
  };
  for (const [what, text] of Object.entries(uris)) named(`a URI with ${what}`, f.uri(text));
  named('no alternative names');
  named('a DNS name alone', f.dns('example.org'));
  named('two URIs', id, f.uri('spiffe://example.org/other'));
  named('the same URI twice', id, id);
  named('a URI and a DNS name', id, f.dns('web.example.org'));
  named('a DNS name that is none', id, f.dns('not a name'));
  named('a DNS name with a NUL', id, f.dns('web.example.org\0.evil'));
  named('a URI and an address', id, f.der(0x87, Buffer.of(127, 0, 0, 1)));
  named('an address of five bytes', id, f.der(0x87, Buffer.alloc(5)));
  named('a URI and a mailbox', id, f.der(0x81, Buffer.from('a@example.org')));
  named('a mailbox in UTF-8', id, f.der(0x81, Buffer.from('é@example.org')));
  named('an other name', id, f.der(0xa0, f.oid('1.3.6.1.4.1.311.20.2.3'), f.der(0xa0, f.der(0x0c, Buffer.from('a')))));
  named('an other name that is none', id, f.der(0xa0, f.der(2, Buffer.of(1))));
  named('a directory name', id, f.der(0xa4, f.nameOf('x')));
  named('a directory name that is none', id, f.der(0xa4, f.der(2, Buffer.of(1))));
  named('a registered ID', id, f.der(0x88, Buffer.of(0x2a, 3)));
  named('a name of an unknown form', id, f.der(0x89, Buffer.of(1)));
  named('an empty list', Buffer.alloc(0));
  add('alternative names that are critical', [leaf([f.names(true, id)])]);
  add('an empty subject, names critical', [leaf([f.names(true, id)], { subject: '' })]);
  add('an empty subject, names not critical', [leaf([f.names(false, id)], { subject: '' })]);
  add('an empty issuer', [leaf(undefined, { issuer: { subject: '', key: 'root' } })], [ca(undefined, { subject: '' })]);
}

function leaves(): void {
  const with_ = (name: string, extensions: readonly Buffer[], changes: Changes = {}): void =>
    add(name, [f.forge({ ...webName, issuer: rootName, extensions: [...extensions, f.names(false, id)], ...changes })]);
  const basics = f.basicConstraints(false);
  with_('a leaf that is a CA', [f.basicConstraints(true), f.keyUsage([0])]);
  with_('a leaf that may sign certificates', [basics, f.keyUsage([0, 5])]);
  with_('a leaf that may sign CRLs', [basics, f.keyUsage([0, 6])]);
  with_('a leaf without key usage', [basics]);
  with_('a leaf whose key usage is not critical', [basics, f.keyUsage([0], false)]);
  with_('a leaf with keyEncipherment alone', [basics, f.keyUsage([2])]);
  with_('a leaf with an empty key usage', [basics, f.keyUsage([])]);
  with_('a leaf without basic constraints', [f.keyUsage([0])]);
  with_('a leaf with a path length', [f.basicConstraints(false, 0), f.keyUsage([0])]);
  with_('a leaf for servers and clients', [...leafBasics, f.purposes(f.serverAuth, f.clientAuth)]);
  with_('a leaf for servers only', [...leafBasics, f.purposes(f.serverAuth)]);
  with_('a leaf for mail', [...leafBasics, f.purposes('1.3.6.1.5.5.7.3.4')]);
  with_('a leaf with no purpose', [...leafBasics, f.purposes()]);
  with_('a key identifier that is critical', [
    ...leafBasics,
    f.extension('2.5.29.14', true, f.der(4, Buffer.alloc(20, 1))),
  ]);
  with_('an unknown critical extension', [...leafBasics, f.extension('1.3.6.1.4.1.65980.1', true, f.der(5))]);
  with_('an unknown extension', [...leafBasics, f.extension('1.3.6.1.4.1.65980.1', false, f.der(5))]);
  with_('an extension twice', [...leafBasics, f.keyUsage([0])]);
  with_('name constraints in a leaf', [...leafBasics, f.nameConstraints([f.uri('example.org')], [])]);
  with_('version 1', [], { version: 0 });
  with_('version 2', leafBasics, { version: 1 });
  with_('version 4', leafBasics, { version: 3 });
  with_('serial number zero', leafBasics, { serial: Buffer.of(0) });
  with_('a negative serial number', leafBasics, { serial: Buffer.of(0x80, 1) });
  with_('a serial number of 20 bytes', leafBasics, { serial: Buffer.alloc(20, 0x11) });
  with_('a serial number of 21 bytes', leafBasics, { serial: Buffer.alloc(21, 0x11) });
  with_('a padded serial number', leafBasics, { serial: Buffer.of(0, 1) });
  const good = leaf();
  add('a byte after the end', [Buffer.concat([good, Buffer.of(0)])]);
  add(
    'one bit of the signature',
    [good.with(good.length - 3, (good.at(-3) ?? 0) ^ 1)].map((bytes) => Buffer.from(bytes)),
  );
  const broken = f.signedBy(
    'root',
    f.toBeSigned({ ...webName, issuer: rootName, extensions: [...leafBasics, f.names(false, id)] }),
    f.sequence(f.oid('1.2.840.10045.4.3.3')),
  );
  add('two signature algorithms', [broken]);
  add('an algorithm with parameters', [leaf(undefined, { inner: ecdsaWithNull, outer: ecdsaWithNull })]);
}

const ecdsaWithNull = f.sequence(f.oid('1.2.840.10045.4.3.2'), f.der(5));

function authorities(): void {
  const through = (name: string, extensions: readonly Buffer[], changes: Changes = {}): void =>
    add(name, [leaf(undefined, below), f.forge({ ...middleName, issuer: rootName, extensions, ...changes })]);
  through('an intermediate that is no CA', [f.basicConstraints(false), f.keyUsage([0])]);
  through('an intermediate without basic constraints', [f.keyUsage([5])]);
  through('an intermediate whose basic constraints are not critical', [
    f.basicConstraints(true, undefined, false),
    f.keyUsage([5]),
  ]);
  through('an intermediate without keyCertSign', [f.basicConstraints(true), f.keyUsage([0, 6])]);
  through('an intermediate without key usage', [f.basicConstraints(true)]);
  through('an intermediate of version 1', [], { version: 0 });
  through('an intermediate with a path length of 0', [f.basicConstraints(true, 0), f.keyUsage([5])]);
  through('an intermediate with an unknown critical extension', [
    ...caBasics,
    f.extension('1.3.6.1.4.1.65980.1', true, f.der(5)),
  ]);
  through('an intermediate for mail', [...caBasics, f.purposes('1.3.6.1.5.5.7.3.4')]);
  through('an intermediate of our trust domain', [...caBasics, f.names(false, own)]);
  through('an intermediate of another trust domain', [...caBasics, f.names(false, f.uri('spiffe://other.org'))]);
  through('an intermediate with two URIs', [...caBasics, f.names(false, own, own)]);
  through('an intermediate with a path in its URI', [...caBasics, f.names(false, id)]);
  const lower = f.forge({ ...lowerName, ...below, extensions: caBasics });
  const short = middle([], { extensions: [f.basicConstraints(true, 0), f.keyUsage([5])] });
  add('a path longer than an intermediate allows', [leaf(undefined, under('lower')), lower, short]);
  const narrow = ca([], { extensions: [f.basicConstraints(true, 0), f.keyUsage([5])] });
  add('a path longer than the root allows', [leaf(undefined, below), middle()], [narrow]);
  add('a path as long as the root allows', [leaf()], [narrow]);
  add('a root that is no CA', [leaf()], [ca([], { extensions: leafBasics })]);
  add('a root of version 1', [leaf()], [ca([], { version: 0, extensions: [] })]);
  add('a root of another trust domain', [leaf()], [ca([f.names(false, f.uri('spiffe://other.org'))])]);
  add('a root without a URI', [leaf()], [ca([])]);
  add(
    'a root with an unknown critical extension',
    [leaf()],
    [ca([f.extension('1.3.6.1.4.1.65980.1', true, f.der(5))])],
  );
}

function constraints(): void {
  const constrained = (
    name: string,
    permitted: Buffer[],
    excluded: Buffer[],
    leafNames: Buffer[] = [id],
    critical = true,
  ): void =>
    add(name, [
      leaf([f.names(false, ...leafNames)], below),
      middle([f.nameConstraints(permitted, excluded, critical)]),
    ]);
  constrained('our host is permitted', [f.uri('example.org')], []);
  constrained('another host is permitted', [f.uri('other.org')], []);
  constrained('hosts below ours are permitted', [f.uri('.example.org')], []);
  constrained('hosts below .org are permitted', [f.uri('.org')], []);
  constrained('our host is excluded', [], [f.uri('example.org')]);
  constrained('our host in capitals is excluded', [], [f.uri('EXAMPLE.ORG')]);
  constrained('another host is excluded', [], [f.uri('other.org')]);
  constrained('hosts below .org are excluded', [], [f.uri('.org')]);
  constrained('our host is permitted and excluded', [f.uri('example.org')], [f.uri('example.org')]);
  constrained('our host is permitted, not critical', [f.uri('example.org')], [], [id], false);
  constrained('another host is permitted, not critical', [f.uri('other.org')], [], [id], false);
  constrained('a whole URI is permitted', [f.uri('spiffe://example.org')], []);
  constrained('an empty URI is permitted', [f.uri('')], []);
  constrained('an empty URI is excluded', [], [f.uri('')]);
  constrained('a URI with a NUL is excluded', [], [f.uri('example.org\0.evil')]);
  constrained(
    'a URI of an address, and another permitted',
    [f.uri('example.org')],
    [],
    [f.uri('spiffe://127.0.0.1/web')],
  );
  constrained('a DNS name that is permitted', [f.dns('example.org')], [], [id, f.dns('web.example.org')]);
  constrained('a DNS name that is not permitted', [f.dns('other.org')], [], [id, f.dns('web.example.org')]);
  constrained('a DNS name that is excluded', [], [f.dns('example.org')], [id, f.dns('web.example.org')]);
  constrained('DNS names are permitted, there is none', [f.dns('other.org')], []);
  constrained('a mailbox is permitted, there is none', [f.der(0x81, Buffer.from('example.org'))], []);
  constrained(
    'an address that is excluded',
    [],
    [f.der(0x87, Buffer.from('7f000000ff000000', 'hex'))],
    [id, f.der(0x87, Buffer.of(127, 0, 0, 1))],
  );
  constrained(
    'an address that is not excluded',
    [],
    [f.der(0x87, Buffer.from('0a000000ff000000', 'hex'))],
    [id, f.der(0x87, Buffer.of(127, 0, 0, 1))],
  );
  constrained('an address range of three bytes', [f.der(0x87, Buffer.alloc(3))], []);
  constrained('a directory name is permitted that is not the subject’s', [f.der(0xa4, f.nameOf('somebody'))], []);
  constrained('a directory name is permitted that is the subject’s', [f.der(0xa4, f.nameOf('web'))], []);
  constrained('empty name constraints', [], []);
  add('constraints of the root', [leaf()], [ca([f.nameConstraints([f.uri('other.org')], [])])]);
  add('constraints two levels up', [
    leaf(undefined, under('lower')),
    f.forge({ ...lowerName, ...below, extensions: caBasics }),
    middle([f.nameConstraints([f.uri('other.org')], [])]),
  ]);
}

function keys(): void {
  for (const key of ['rsa2048', 'p384', 'p521', 'ed25519']) {
    const issuer = { subject: key, key };
    add(`a root with ${key}`, [leaf(undefined, { issuer })], [ca(undefined, issuer)]);
  }
  const weak = { subject: 'rsa1024', key: 'rsa1024' };
  add('a root with RSA of 1024 bits', [leaf(undefined, { issuer: weak })], [ca(undefined, weak)]);
  const of = (name: string, publicKey: Buffer): void => add(name, [leaf(undefined, { publicKey })]);
  for (const key of ['rsa2048', 'rsa1024', 'p384', 'p521', 'ed25519']) of(`a leaf with ${key}`, f.publicKeyOf(key));
  const p256 = f.publicKeyOf('web');
  const point = p256.subarray(-65);
  const ec = (parameters: Buffer, bits: Buffer): Buffer =>
    f.sequence(f.sequence(f.oid('1.2.840.10045.2.1'), parameters), f.der(3, Buffer.of(0), bits));
  const named = f.oid('1.2.840.10045.3.1.7');
  of('a compressed point', ec(named, Buffer.concat([Buffer.of(2 + ((point.at(-1) ?? 0) & 1)), point.subarray(1, 33)])));
  of('a point that is not on its curve', ec(named, Buffer.concat([Buffer.of(4), Buffer.alloc(64, 0x61)])));
  of('the point at infinity', ec(named, Buffer.of(0)));
  of('a point of another curve', ec(f.oid('1.3.132.0.34'), point));
  of('secp256k1', ec(f.oid('1.3.132.0.10'), point));
  of('curve parameters that are spelled out', ec(f.sequence(f.der(2, Buffer.of(1))), point));
  of('no curve', ec(Buffer.alloc(0), point));
  const rsa = (modulus: Buffer, exponent: Buffer): Buffer =>
    f.sequence(
      f.sequence(f.oid('1.2.840.113549.1.1.1'), f.der(5)),
      f.der(3, Buffer.of(0), f.sequence(f.der(2, modulus), f.der(2, exponent))),
    );
  const modulus = Buffer.concat([Buffer.of(0), Buffer.alloc(256, 0xf1)]);
  of('an RSA exponent of 1', rsa(modulus, Buffer.of(1)));
  of('an even RSA exponent', rsa(modulus, Buffer.of(4)));
  of('a negative RSA modulus', rsa(Buffer.alloc(256, 0xf1), Buffer.of(1, 0, 1)));
  of('an RSA modulus of 16384 bits', rsa(Buffer.concat([Buffer.of(0), Buffer.alloc(2048, 0xf1)]), Buffer.of(1, 0, 1)));
}

function forms(): void {
  const subject = (name: string, bytes: Buffer): void => {
    const tbs = f.toBeSigned({ ...webName, issuer: rootName, extensions: [...leafBasics, f.names(false, id)] });
    const old = f.nameOf('web');
    const at = tbs.lastIndexOf(old);
    const content = Buffer.concat([tbs.subarray(tbs[1] === 0x81 ? 3 : 4, at), bytes, tbs.subarray(at + old.length)]);
    add(name, [f.signedBy('root', f.sequence(content))]);
  };
  const attribute = (value: Buffer): Buffer => f.sequence(f.der(0x31, f.sequence(f.oid('2.5.4.3'), value)));
  subject('a subject that is a number', f.sequence(f.der(2, Buffer.of(1))));
  subject(
    'a subject of lists where sets belong',
    f.sequence(f.sequence(f.sequence(f.oid('2.5.4.3'), f.der(0x0c, Buffer.from('web'))))),
  );
  subject('a subject with an empty set', f.sequence(f.der(0x31)));
  subject('a subject without a value', f.sequence(f.der(0x31, f.sequence(f.oid('2.5.4.3')))));
  subject(
    'a subject with a value too many',
    f.sequence(f.der(0x31, f.sequence(f.oid('2.5.4.3'), f.der(0x0c), f.der(0x0c)))),
  );
  subject('a subject in broken UTF-8', attribute(f.der(0x0c, Buffer.of(0xc3))));
  subject('a subject in PrintableString', attribute(f.der(0x13, Buffer.from('web'))));
  subject('a subject in PrintableString with an @', attribute(f.der(0x13, Buffer.from('a@b'))));
  subject('a subject in half a BMPString', attribute(f.der(0x1e, Buffer.of(0, 0x61, 0))));
  subject('a subject that is true', attribute(f.der(1, Buffer.of(0xff))));
  subject('a subject with a NUL', attribute(f.der(0x0c, Buffer.from('we\0b'))));
}

for (const group of [paths, times, names, leaves, authorities, constraints, keys, forms]) group();

export const chainCases: readonly ChainCase[] = cases;
