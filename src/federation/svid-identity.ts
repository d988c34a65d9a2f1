/** https_spiffe: an X509-SVID of our own, renewed under the running server (SPIFFE Federation section 5.2.2.3, FD-22). */
import type { Authority, IssuedX509Svid } from '../authority/authority.ts';
import { IdentityError } from '../errors.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Clock } from '../runtime/clock.ts';
import { newLeafKey } from '../runtime/leaf-key.ts';
import type { Log } from '../runtime/log.ts';
import type { Random } from '../runtime/random.ts';
import { Watch } from '../runtime/watch.ts';
import type { Entry } from '../spiffe/entry.ts';
import { SpiffeId, type TrustDomain } from '../spiffe/id.ts';
import { splitCertificates } from '../x509/certificate.ts';
import { encodePem } from '../x509/pem.ts';
import type { EndpointIdentity, KeyAndCertificate } from './endpoint-identity.ts';

export interface SvidIdentityParts {
  readonly id: SpiffeId;
  readonly authority: Authority;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** After a renewal that failed. */
const retryMs = 5_000;
/** Even without a sign of change, the clock is looked at this often: it may have been set. */
const clockLookMs = 60_000;
/** A leaf and what may stand between it and a root. */
const mostCertificates = 10;

interface Held {
  readonly issued: IssuedX509Svid;
  readonly shown: KeyAndCertificate;
}

export class SvidIdentity implements EndpointIdentity {
  readonly current: Watch<KeyAndCertificate>;
  problem: string | undefined;
  readonly #parts: SvidIdentityParts;
  readonly #instance: string;
  readonly #standing: Disposable;
  #held: Held;
  #timer: Disposable | undefined;
  #closed = false;

  private constructor(parts: SvidIdentityParts, instance: string, held: Held) {
    this.#parts = parts;
    this.#instance = instance;
    this.#held = held;
    this.current = new Watch(held.shown);
    this.#standing = parts.authority.standing.onChange(() => this.#wait(0));
    this.#wait(0);
  }

  static async issue(parts: SvidIdentityParts): Promise<SvidIdentity> {
    const instance = parts.random.uuid();
    return new SvidIdentity(parts, instance, await issue(parts, instance));
  }

  reread(): void {}

  close(): void {
    this.#closed = true;
    this.#standing[Symbol.dispose]();
    this.#timer?.[Symbol.dispose]();
  }

  #wait(ms: number): void {
    if (this.#closed) return;
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.#parts.clock.after(ms, () => this.#look());
  }

  /** Due at half of its life, and at once where its authority may not be held on to. */
  #look(): void {
    const { authority, clock } = this.#parts;
    const { issuedAt, notAfter, authorityId } = this.#held.issued;
    const left = issuedAt + (notAfter - issuedAt) / 2 - clock.now();
    if (left <= 0 || !authority.standing.value.has(authorityId)) void this.#renew();
    else this.#wait(Math.min(left, clockLookMs));
  }

  async #renew(): Promise<void> {
    try {
      this.#held = await issue(this.#parts, this.#instance);
      this.current.set(this.#held.shown);
      this.problem = undefined;
      // Tainted and nobody to follow it: what it signs is no better than before.
      const stands = this.#parts.authority.standing.value.has(this.#held.issued.authorityId);
      this.#wait(stands ? 0 : retryMs);
    } catch (err) {
      this.problem = 'the X.509-SVID of the bundle endpoint cannot be renewed, see the log';
      this.#parts.log.error({ err }, this.problem);
      this.#wait(retryMs);
    }
  }
}

/** Law 5 holds for ourselves: on record before it is shown. */
async function issue({ id, authority, ledger }: SvidIdentityParts, instance: string): Promise<Held> {
  const key = newLeafKey();
  const issued = await authority.issueX509Svid(ownEntry(id), key.publicKey);
  const { serial, notBefore, notAfter, authorityId } = issued;
  await ledger.append({
    kind: 'x509-svid.issued',
    ...{ instance, pid: process.pid, uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 },
    ...{ entry: ownName, revision: 1, spiffeId: id, owner: 'mayfly' },
    ...{ serial, notBefore, notAfter, authority: authorityId },
  });
  const cert = splitCertificates(issued.chain, mostCertificates).map((der) => encodePem('CERTIFICATE', der));
  return { issued, shown: { cert: cert.join(''), key: encodePem('PRIVATE KEY', key.privateKey) } };
}

const ownName = 'mayfly/bundle-endpoint';

/** Nobody registers us: what is signed is the ID that the settings name. */
const ownEntry = (spiffeId: SpiffeId): Entry => ({
  id: ownName,
  spiffeId,
  selectors: [],
  owner: 'mayfly',
  description: '',
  x509SvidTtlSeconds: 0,
  jwtSvidTtlSeconds: 0,
  dnsNames: [],
  subject: '',
  hint: '',
  federatesWith: [],
  audiences: [],
  expiresAt: undefined,
  revision: 1,
  createdAt: 0,
});

/** Of our own trust domain, or it could not be signed. */
export function endpointId(named: SpiffeId | undefined, trustDomain: TrustDomain): SpiffeId {
  const id = named ?? SpiffeId.parseWorkload(`spiffe://${trustDomain}/${ownName}`);
  if (SpiffeId.trustDomain(id) === trustDomain) return id;
  const message = `the SPIFFE ID of a bundle endpoint must lie in ${trustDomain}, and ${id} does not`;
  throw new IdentityError('invalid-argument', message);
}
