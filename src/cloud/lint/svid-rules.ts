/** Rules about an X509-SVID, for those who know only certificates. */
import type { X509Certificate } from 'node:crypto';
import { parseCertificate } from '../../x509/certificate.ts';
import type { Rule } from './rules.ts';

const rule = (name: string, fault: (chain: readonly X509Certificate[]) => string | undefined, fix: string): Rule => ({
  ...{ name, fix, needs: 'svid' },
  applies: ({ byCertificate }) => byCertificate === true,
  fault: ({ svid }) => svid.value && fault(svid.value),
});

/** Roles Anywhere sends them in one header. */
const mostCertificates = 5;

export const svidRules: readonly Rule[] = [
  rule(
    'subject',
    ([leaf]) => (/^CN=./m.test(leaf?.subject ?? '') ? undefined : 'it has no common name'),
    "mayfly entry update ID --subject '{name}'",
  ),
  rule(
    'chain',
    (chain) => {
      if (chain.length > mostCertificates) return `${chain.length} certificates, and ${mostCertificates} is the most`;
      const broken = chain.findIndex((one, at) => at > 0 && !chain[at - 1]?.checkIssued(one));
      if (broken > 0) return `certificate ${broken} is not issued by the one after it`;
      const root = chain.findIndex((one) => one.checkIssued(one));
      return root > 0 ? 'it ends with the root, which belongs into the trust anchor' : undefined;
    },
    'send the leaf, then each issuer, without the root: what the Workload API hands out',
  ),
  rule(
    'leaf',
    ([leaf]) => {
      const { isCa, keyUsage, uris, keyType } = parseCertificate(leaf?.raw ?? Buffer.alloc(0));
      if (isCa) return 'it is an authority';
      if (keyUsage?.has('digitalSignature') !== true) return 'its key usage has no digitalSignature';
      if (uris.length !== 1) return `it has ${uris.length} URIs`;
      return ['ec-p256', 'ec-p384', 'rsa'].includes(keyType) ? undefined : `its key is ${keyType}`;
    },
    'show the X509-SVID of the workload, not another certificate',
  ),
  rule(
    'valid',
    ([leaf]) =>
      leaf !== undefined && leaf.validToDate > leaf.validFromDate ? undefined : 'it is not valid at any time',
    'fetch a fresh one',
  ),
];
