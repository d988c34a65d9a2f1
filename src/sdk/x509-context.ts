import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { IdentityError } from '../errors.ts';
import type { X509BundlesResponse, X509SVID, X509SVIDResponse } from '../gen/workload.ts';
import { SpiffeId, type TrustDomain } from '../spiffe/id.ts';
import { parseX509Svid, type X509Svid } from '../spiffe/x509-svid.ts';
import { splitCertificates } from '../x509/certificate.ts';
import { type Crl, parseCrl } from '../x509/crl.ts';
import { field, firstOfEachHint, mandatory, readBundles, unusable } from './answer.ts';

/** An X.509-SVID of ours, with its key. */
export interface FetchedX509Svid extends X509Svid {
  readonly privateKey: KeyObject;
  /** The operator's word to tell several identities apart; empty when there is none. */
  readonly hint: string;
}

/** X.509 authorities (DER) by trust domain. They authenticate X.509-SVIDs and nothing else. */
export type X509Bundles = ReadonlyMap<TrustDomain, readonly Buffer[]>;

/** One complete answer of the Workload API: who we are and whom to believe. */
export interface X509Context {
  /** Never empty; the first is the default identity. */
  readonly svids: readonly FetchedX509Svid[];
  readonly bundles: X509Bundles;
  /** Whom their issuers have taken back; one that cannot be read is left out. */
  readonly crls: readonly Crl[];
}

export function readX509Context(message: X509SVIDResponse, complain: (error: IdentityError) => void): X509Context {
  const svids = firstOfEachHint(mandatory(message.svids, 'svids').map(readSvid));
  const bundles = readBundles(message.federatedBundles, readAuthorities, complain);
  for (const { spiffeId, bundle } of message.svids)
    bundles.set(
      SpiffeId.trustDomain(SpiffeId.parse(spiffeId)),
      field('bundle', () => splitCertificates(bundle)),
    );
  return Object.freeze({ svids, bundles, crls: readCrls(message.crl, complain) });
}

export const readX509Bundles = (
  message: X509BundlesResponse,
  complain: (error: IdentityError) => void,
): X509Bundles => {
  if (message.bundles.size === 0) throw unusable('bundles is empty');
  return readBundles(message.bundles, readAuthorities, complain);
};

/** Whether both say to believe the same authorities. */
export function sameBundles(one: X509Bundles, other: X509Bundles): boolean {
  const same = (a: readonly Buffer[], b: readonly Buffer[] | undefined): boolean =>
    a.length === b?.length && a.every((der, i) => b[i]?.equals(der));
  return one.size === other.size && [...one].every(([trustDomain, ders]) => same(ders, other.get(trustDomain)));
}

function readCrls(lists: readonly Buffer[], complain: (error: IdentityError) => void): readonly Crl[] {
  return lists.flatMap((der) => {
    try {
      return [field('crl', () => parseCrl(der))];
    } catch (error) {
      complain(error as IdentityError);
      return [];
    }
  });
}

/** Whether both have the same lists. */
export const sameCrls = (one: readonly Crl[], other: readonly Crl[]): boolean =>
  one.length === other.length && one.every(({ der }, at) => other[at]?.der.equals(der));

const readAuthorities = (_trustDomain: TrustDomain, bytes: Buffer): readonly Buffer[] => splitCertificates(bytes);

function readSvid(message: X509SVID): FetchedX509Svid {
  const name = mandatory(message.spiffeId, 'spiffe_id');
  mandatory(message.bundle, 'bundle');
  const chain = mandatory(message.x509Svid, 'x509_svid');
  const key = mandatory(message.x509SvidKey, 'x509_svid_key');
  const id = field('spiffe_id', () => SpiffeId.parseWorkload(name));
  const svid = field('x509_svid', () => parseX509Svid(chain));
  if (svid.id !== id) throw unusable('spiffe_id and x509_svid name different identities');
  const privateKey = field('x509_svid_key', () => createPrivateKey({ key, format: 'der', type: 'pkcs8' }));
  const [leaf] = svid.certificates;
  const belongs = field('x509_svid', () => new X509Certificate(leaf ?? chain).checkPrivateKey(privateKey));
  if (!belongs) throw unusable('x509_svid_key does not belong to x509_svid');
  return Object.freeze({ ...svid, privateKey, hint: message.hint });
}
