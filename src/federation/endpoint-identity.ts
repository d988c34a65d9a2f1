/** Who a bundle endpoint is to those who ask it: a certificate of the web from files, or an X.509-SVID of our own. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { statSync } from 'node:fs';
import type { Authority, IssuedX509Svid } from '../authority/authority.ts';
import { IdentityError } from '../errors.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Clock } from '../runtime/clock.ts';
import { readSharedFile } from '../runtime/files.ts';
import { newLeafKey } from '../runtime/leaf-key.ts';
import type { Log } from '../runtime/log.ts';
import type { Random } from '../runtime/random.ts';
import { Watch } from '../runtime/watch.ts';
import type { Entry } from '../spiffe/entry.ts';
import { SpiffeId, type TrustDomain } from '../spiffe/id.ts';
import { splitCertificates } from '../x509/certificate.ts';
import { encodePem } from '../x509/pem.ts';

/** What `node:tls` calls them, in PEM. */
export interface KeyAndCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface EndpointIdentity {
  readonly current: Watch<KeyAndCertificate>;
  /** Why it is not renewed; the last one is shown until its end. */
  readonly problem: string | undefined;
  /** Looks at once, where there is something to look at. */
  reread(): void;
  close(): void;
}

/** How often the files are looked at: whoever renews them need not tell us. */
const lookMs = 2_000;
const longestFile = 256 * 1024;

export interface FileIdentityParts {
  readonly certificate: string;
  readonly key: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** @throws IdentityError where they cannot be used now: later the last good ones stay. */
export function fileIdentity({ certificate, key, clock, log }: FileIdentityParts): EndpointIdentity {
  const read = (): KeyAndCertificate =>
    checked(readSharedFile(certificate, longestFile), readSharedFile(key, longestFile));
  let seen = stampOf(certificate, key);
  const current = new Watch(read());
  let problem: string | undefined;
  const reread = (): void => {
    seen = stampOf(certificate, key);
    try {
      const next = read();
      problem = undefined;
      if (next.cert === current.value.cert && next.key === current.value.key) return;
      current.set(next);
      log.info({ certificate }, 'the bundle endpoint has a new certificate');
    } catch (err) {
      problem = `the bundle endpoint keeps its certificate: ${err instanceof Error ? err.message : String(err)}`;
      log.error({ err }, problem);
    }
  };
  let timer: Disposable;
  const look = (): void => {
    if (stampOf(certificate, key) !== seen) reread();
    timer = clock.after(lookMs, look);
  };
  timer = clock.after(lookMs, look);
  return {
    current,
    get problem() {
      return problem;
    },
    reread,
    close: () => timer[Symbol.dispose](),
  };
}

/** Half a pair, as seen between the writing of one file and the other, is not taken. */
function checked(cert: string, key: string): KeyAndCertificate {
  try {
    if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) return { cert, key };
  } catch (cause) {
    throw new IdentityError('failed-precondition', 'the certificate or the key of the bundle endpoint is not PEM', {
      cause,
    });
  }
  throw new IdentityError('failed-precondition', 'the key of the bundle endpoint is not that of its certificate');
}

const stampOf = (...paths: string[]): string =>
  paths
    .map((path) => statSync(path, { throwIfNoEntry: false }))
    .map((stats) => `${stats?.ino}/${stats?.mtimeMs}/${stats?.size}`)
    .join();

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

/** SPIFFE Federation section 5.2.2.3: a valid X509-SVID, renewed under the running server (FD-22). */
export async function svidIdentity(parts: SvidIdentityParts): Promise<EndpointIdentity> {
  const { authority, clock, log } = parts;
  const instance = parts.random.uuid();
  let held = await issue(parts, instance);
  const current = new Watch(held.shown);
  let problem: string | undefined;
  let timer: Disposable | undefined;
  const look = (): void => {
    const left = held.issued.issuedAt + (held.issued.notAfter - held.issued.issuedAt) / 2 - clock.now();
    if (left <= 0 || !authority.standing.value.has(held.issued.authorityId)) void renew();
    else wait(Math.min(left, clockLookMs));
  };
  const wait = (ms: number): void => {
    timer?.[Symbol.dispose]();
    timer = clock.after(ms, look);
  };
  const renew = async (): Promise<void> => {
    try {
      held = await issue(parts, instance);
      current.set(held.shown);
      problem = undefined;
      wait(0);
    } catch (err) {
      problem = 'the X.509-SVID of the bundle endpoint cannot be renewed, see the log';
      log.error({ err }, problem);
      wait(retryMs);
    }
  };
  wait(0);
  const standing = authority.standing.onChange(() => wait(0));
  return {
    current,
    get problem() {
      return problem;
    },
    reread: () => undefined,
    close: () => {
      standing[Symbol.dispose]();
      timer?.[Symbol.dispose]();
    },
  };
}

/** Law 5 holds for ourselves: on record before it is shown. */
async function issue(
  { id, authority, ledger }: SvidIdentityParts,
  instance: string,
): Promise<{ readonly issued: IssuedX509Svid; readonly shown: KeyAndCertificate }> {
  const key = newLeafKey();
  const issued = await authority.issueX509Svid(ownEntry(id), key.publicKey);
  const { serial, notBefore, notAfter, authorityId } = issued;
  await ledger.append({
    kind: 'x509-svid.issued',
    ...{ instance, pid: process.pid, uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 },
    ...{ entry: 'mayfly/bundle-endpoint', revision: 1, spiffeId: id, owner: 'mayfly' },
    ...{ serial, notBefore, notAfter, authority: authorityId },
  });
  const cert = splitCertificates(issued.chain, 10).map((der) => encodePem('CERTIFICATE', der));
  return { issued, shown: { cert: cert.join(''), key: encodePem('PRIVATE KEY', key.privateKey) } };
}

/** Nobody registers us: what is signed is the ID that the settings name. */
const ownEntry = (spiffeId: SpiffeId): Entry => ({
  id: 'mayfly/bundle-endpoint',
  spiffeId,
  selectors: [],
  owner: 'mayfly',
  description: '',
  x509SvidTtlSeconds: 0,
  jwtSvidTtlSeconds: 0,
  dnsNames: [],
  hint: '',
  federatesWith: [],
  audiences: [],
  expiresAt: undefined,
  revision: 1,
  createdAt: 0,
});

/** Of our own trust domain, or it could not be signed. */
export function endpointId(named: SpiffeId | undefined, trustDomain: TrustDomain): SpiffeId {
  const id = named ?? SpiffeId.parseWorkload(`spiffe://${trustDomain}/mayfly/bundle-endpoint`);
  if (SpiffeId.trustDomain(id) === trustDomain) return id;
  const message = `the SPIFFE ID of a bundle endpoint must lie in ${trustDomain}, and ${id} does not`;
  throw new IdentityError('invalid-argument', message);
}
