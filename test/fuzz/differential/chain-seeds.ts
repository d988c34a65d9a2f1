/** What a CA of ours, or somebody who has its key, could sign: contents of leaves and of CAs, for breaking. */
import * as f from '../forge.ts';

const top = { subject: 'root', key: 'root' };
const middle = { subject: 'middle', key: 'middle' };
const id = f.uri('spiffe://example.org/web');
const caBasics = [f.basicConstraints(true), f.keyUsage([5])];

/** Without key identifiers, so that no mutation has to guess one. */
export const plainRoot = f.forge({ ...top, extensions: caBasics });

export const leafBelowMiddle = f.forge({
  subject: 'web',
  key: 'web',
  issuer: middle,
  extensions: [f.keyUsage([0]), f.names(false, id)],
});

const leaf = (...more: readonly Buffer[]): Buffer =>
  f.toBeSigned({
    subject: 'web',
    key: 'web',
    issuer: top,
    extensions: [f.basicConstraints(false), f.keyUsage([0]), ...more],
  });
const ca = (...more: readonly Buffer[]): Buffer =>
  f.toBeSigned({ ...middle, issuer: top, extensions: [...caBasics, ...more] });

export const tbsSeeds: readonly Buffer[] = [
  leaf(f.names(false, id), f.purposes(f.serverAuth, f.clientAuth)),
  leaf(f.names(true, id, f.dns('web.example.org')), f.authorityKeyId('root'), f.subjectKeyId('web')),
  ca(f.names(false, f.uri('spiffe://example.org')), f.subjectKeyId('middle')),
  ca(f.nameConstraints([f.uri('example.org')], [f.dns('evil.example')])),
  ca(f.nameConstraints([], [f.uri('.example.org')]), f.extension('1.2.3.4', true, f.sequence())),
  f.nameConstraints([f.dns('a')], [f.der(0x87, Buffer.alloc(8)), f.der(0xa4, f.nameOf('x'))]),
  f.names(
    false,
    f.der(0xa0, f.oid('1.2.3'), f.der(0xa0, f.der(5))),
    f.der(0x81, Buffer.from('a@b')),
    f.der(0x88, Buffer.of(0x2a)),
  ),
];
