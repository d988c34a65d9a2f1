/** Path validation (RFC 5280 section 6): from a leaf, by issuers that may come in any order, to one of the roots. */
import { type Certificate, parseCertificate } from './certificate.ts';
import { namesAllowed } from './name-constraints.ts';
import { type PathReason, refusePath } from './refusal.ts';
import { isSignedBy } from './signature.ts';

/** Caps before cryptography (R-PARSE-1, SE-27): an attacker chooses the chain, we choose the work. */
const limits = { certificates: 10, intermediates: 4, signatures: 24 };

/** Returns the path that was found, leaf first and root last; throws where there is none that holds `at` this moment. */
export function verifyPath(chain: readonly Buffer[], roots: readonly Buffer[], at: number): readonly Certificate[] {
  if (chain.length > limits.certificates) throw refusePath('path-too-long');
  const [leaf, ...others] = chain.map(parseCertificate);
  if (leaf === undefined) throw refusePath('path-empty');
  return new Search(others, roots.map(anchor), at).from(leaf);
}

/** Roots are the same buffers from one call to the next; each is read once, and its key imported once. */
const anchors = new WeakMap<Buffer, Certificate>();

function anchor(root: Buffer): Certificate {
  const known = anchors.get(root) ?? parseCertificate(root);
  anchors.set(root, known);
  return known;
}

/** Depth first, at most five deep, with a budget of signatures. */
class Search {
  readonly #others: readonly Certificate[];
  readonly #roots: readonly Certificate[];
  readonly #at: number;
  #signatures = 0;
  #reason: PathReason = 'path-no-issuer';

  constructor(others: readonly Certificate[], roots: readonly Certificate[], at: number) {
    this.#others = others;
    this.#roots = roots;
    this.#at = at;
  }

  from(leaf: Certificate): readonly Certificate[] {
    const path = this.#extend([leaf]);
    if (path === undefined) throw refusePath(this.#reason);
    return path;
  }

  #extend(path: readonly Certificate[]): readonly Certificate[] | undefined {
    for (const root of this.#roots) {
      if (this.#continues(path, root) && this.#holds([...path, root])) return [...path, root];
    }
    for (const other of this.#others) {
      if (path.includes(other) || !this.#continues(path, other)) continue;
      if (path.length > limits.intermediates) throw refusePath('path-too-long');
      const found = this.#extend([...path, other]);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #continues(path: readonly Certificate[], issuer: Certificate): boolean {
    const last = path.at(-1);
    if (last === undefined || !last.issuer.equals(issuer.subject) || !keyIdsAgree(last, issuer)) return false;
    if (++this.#signatures > limits.signatures) throw refusePath('path-too-costly');
    const signed = isSignedBy(last, issuer);
    if (!signed && this.#reason === 'path-no-issuer') this.#reason = 'path-signature';
    return signed;
  }

  /** Remembers why not: another way to a root may still hold, and if none does, the operator wants to know. */
  #holds(path: readonly Certificate[]): boolean {
    const fault = faultOfPath(path, this.#at);
    if (fault !== undefined) this.#reason = fault;
    return fault === undefined;
  }
}

/** After a rotation two authorities have one name; the identifiers tell which key it was. */
const keyIdsAgree = (certificate: Certificate, issuer: Certificate): boolean =>
  certificate.authorityKeyId === undefined ||
  issuer.subjectKeyId === undefined ||
  certificate.authorityKeyId.equals(issuer.subjectKeyId);

/** Everything but the signatures, which have been checked on the way up. */
function faultOfPath(path: readonly Certificate[], at: number): PathReason | undefined {
  if (path.some(({ notBefore }) => at < notBefore)) return 'path-not-yet-valid';
  if (path.some(({ notAfter }) => at > notAfter)) return 'path-expired';
  if (path.some(({ unknownCritical }) => unknownCritical.length > 0)) return 'path-critical-extension';
  return path
    .slice(1)
    .map((ca, index) => faultOfCa(ca, path.slice(0, index + 1)))
    .find((fault) => fault !== undefined);
}

/** `below` is everything under this CA, leaf first. */
function faultOfCa(ca: Certificate, below: readonly Certificate[]): PathReason | undefined {
  if (!ca.isCa) return 'path-not-a-ca';
  if (ca.keyUsage === undefined || !ca.keyUsage.has('keyCertSign')) return 'path-no-cert-sign';
  const intermediates = below.slice(1).filter((one) => !one.issuer.equals(one.subject));
  if (ca.pathLength !== undefined && intermediates.length > ca.pathLength) return 'path-length-exceeded';
  if (!below.every((certificate) => namesAllowed(certificate, ca))) return 'path-name-constraints';
  return undefined;
}
