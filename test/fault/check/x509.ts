/** X.509-SVIDs as workloads were given them: each by itself, with its key and the bundle beside it. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Capture, CapturedSvid } from '../captures.ts';
import { type Credential, lateness } from './credential.ts';
import type { Evidence } from './files.ts';
import type { Findings } from './report.ts';

export function x509Svids({ captures, history }: Evidence, findings: Findings): Credential[] {
  const lateBy = lateness(history);
  const seen = new Map<string, Credential>();
  for (const capture of captures) {
    if (capture.kind !== 'x509') continue;
    for (const svid of capture.svids) {
      const isFirst = !seen.has(svid.chain);
      const known = seen.get(svid.chain) ?? x509Svid(svid, capture, findings);
      seen.set(svid.chain, known);
      const { name, notAfter } = known;
      findings.must(known.capture.pid === capture.pid, 'I3', () => `${known.id} ${name} was given to two processes`);
      const late = lateBy(capture.at, notAfter, isFirst);
      findings.must(late === 0, 'I4', () => `${svid.id} was given ${late} ms after its end`);
    }
  }
  findings.count('X.509-SVIDs', seen.size);
  return [...seen.values()];
}

function x509Svid({ id, chain, key, bundle }: CapturedSvid, capture: Capture, findings: Findings): Credential {
  const leaf = new X509Certificate(Buffer.from(chain, 'base64'));
  const name = leaf.serialNumber.toLowerCase().replace(/^(?:00)+/, '');
  const issuer = idIn(leaf.issuer);
  const privateKey = createPrivateKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'pkcs8' });
  const authorities = certificatesIn(Buffer.from(bundle, 'base64'));
  const signer = authorities.find((authority) => leaf.checkIssued(authority) && leaf.verify(authority.publicKey));
  const names = leaf.subjectAltName?.split(', ').filter((each) => each.startsWith('URI:')) ?? [];
  findings.must(names.join() === `URI:${id}`, 'I1', () => `${name} is for ${leaf.subjectAltName}, not ${id}`);
  findings.must(leaf.checkPrivateKey(privateKey), 'I1', () => `${name} came with the key of another`);
  findings.must(
    signer !== undefined,
    'I5',
    () => `${id} ${name} is signed by ${issuer}, which no bundle beside it has`,
  );
  const notAfter = Date.parse(leaf.validTo);
  const last = signer === undefined ? notAfter : Date.parse(signer.validTo);
  findings.must(notAfter <= last, 'I4', () => `${name} ends ${notAfter - last} ms after its authority`);
  return { name, id, issuer, notAfter, capture };
}

/** The authorities' common name is one and the same; what tells them apart stands beside it. */
export const idIn = (name: string): string => /serialNumber=([0-9a-f]+)/.exec(name)?.[1] ?? name;

export function certificatesIn(bytes: Buffer): X509Certificate[] {
  const found: X509Certificate[] = [];
  for (let at = 0; at < bytes.length; ) {
    // Every certificate of ours is a SEQUENCE with a length of two bytes.
    const end = at + 4 + bytes.readUInt16BE(at + 2);
    found.push(new X509Certificate(bytes.subarray(at, end)));
    at = end;
  }
  return found;
}
