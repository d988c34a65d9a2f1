/** Issuers below this one: their authorities are signed by ours, and their JWT keys stand in our bundle. */
import { IdentityError } from '../../errors.ts';
import type { Clock } from '../../runtime/clock.ts';
import { failpoint } from '../../runtime/failpoint.ts';
import type { Random } from '../../runtime/random.ts';
import type { TrustDomain } from '../../spiffe/id.ts';
import { parseCertificate } from '../../x509/certificate.ts';
import { serialText } from '../../x509/crl.ts';
import { parsePublicKey } from '../../x509/public-key.ts';
import { provenKey } from '../../x509/request.ts';
import { intermediate, keyIdOf } from '../certificate.ts';
import { serialBytes, type X509Issuer, type X509Signing } from '../issue-x509.ts';
import type { Journal, Upstream } from '../journal.ts';
import { type AuthorityKind, graceMs, type RotationPolicies } from '../rotation.ts';
import type { RotationLoop } from '../rotation-loop.ts';
import type { Orderer } from '../steps.ts';
import type { Succession } from '../succession.ts';
import { backdated, wholeSecond } from '../validity.ts';
import type { NestedUpstream } from './above.ts';
import type { JwtKey, KeyBelow, NestedEvent, Trust } from './trust.ts';

/** What an issuer below asks for. */
export interface AuthorityBelow {
  readonly trustDomain: string;
  /** The id that it has there. */
  readonly authority: string;
  /** PKCS#10. */
  readonly request: Buffer;
  readonly notAfter: number;
  readonly levelsBelow: number;
}

export interface BelowParts {
  readonly journal: Journal;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly random: Random;
  /** How many levels of issuers may be below this one. */
  readonly levelsBelow: number;
  /** Nobody below lives longer than ours. */
  readonly policies: RotationPolicies;
  readonly record: (event: NestedEvent) => Promise<void>;
  readonly above: NestedUpstream | undefined;
}

/** What issuers below this one may ask of it. */
export interface IssuersBelow {
  /** @throws IdentityError where none of that trust domain may be below */
  admit(trustDomain: string): void;
  /** A certificate for an authority of theirs. */
  certify(asked: AuthorityBelow, by: Orderer): Promise<Upstream & { readonly certificate: Buffer }>;
  /** Puts a JWT key of theirs into the bundle; it is there, durably, once this resolves. */
  publish(trustDomain: string, key: JwtKey & { readonly expiresAt: number }, by: Orderer): Promise<void>;
  withdraw(id: string, by: Orderer): Promise<void>;
  /** What they publish in their turn; changes with `bundle`, `standing` and `active` of the authority. */
  trust(): Trust;
}

/** One after the other, and between the steps of rotation. */
export const issuersBelow = (
  below: Below,
  loop: Pick<RotationLoop, 'between'>,
  issuer: () => Promise<X509Issuer>,
): IssuersBelow => ({
  admit: (trustDomain) => below.admit(trustDomain),
  certify: async (asked, by) => below.certify(asked, await issuer(), by),
  publish: (trustDomain, key, by) => loop.between(() => below.publish(trustDomain, key, by)),
  withdraw: (id, by) => loop.between(() => below.withdraw(id, by)),
  trust: () => below.trust(),
});

export class Below {
  readonly #parts: BelowParts;
  readonly #succession: Succession;

  constructor(parts: BelowParts, succession: Succession) {
    this.#parts = parts;
    this.#succession = succession;
  }

  /** On record before it is released. @throws IdentityError where it is not for those below, saying why */
  async certify(asked: AuthorityBelow, issuer: X509Issuer, by: Orderer): Promise<Upstream & { certificate: Buffer }> {
    const { clock, random, trustDomain } = this.#parts;
    const lifeMs = this.#lifeMs('x509');
    this.admit(asked.trustDomain);
    const { signing } = issuer;
    requireRoom(asked.levelsBelow, this.#parts.levelsBelow, signing);
    const now = clock.now();
    const publicKey = provenKey(asked.request);
    const request = {
      id: idOf(asked.authority),
      trustDomain,
      serial: random.bytes(serialBytes),
      notBefore: backdated(now),
      notAfter: wholeSecond(Math.min(asked.notAfter, signing.notAfter, now + lifeMs)),
      levelsBelow: asked.levelsBelow,
    };
    if (request.notAfter <= now) throw refusal('invalid-argument', 'the authority that is asked for ends at once');
    const { subject, subjectKeyId, publicKey: own } = parseCertificate(signing.certificate);
    const itself = { name: subject, keyId: subjectKeyId ?? keyIdOf(own), signer: signing.signer };
    const certificate = await intermediate(request, publicKey, itself);
    failpoint('downstream.signed');
    const { serial, notBefore, notAfter, levelsBelow } = request;
    const event = { authority: issuer.id, below: request.id, serial: serialText(serial) } as const;
    await this.#parts.record({ kind: 'downstream.certified', ...event, notBefore, notAfter, levelsBelow, ...by });
    failpoint('downstream.certified-recorded');
    const { upstream } = signing;
    if (upstream === undefined) return { certificate, chain: [], roots: [signing.certificate] };
    return { certificate, chain: [signing.certificate, ...upstream.chain], roots: upstream.roots };
  }

  /** In the bundle, durably, once this resolves; at ours and at everybody's above. */
  async publish(trustDomain: string, asked: JwtKey & { readonly expiresAt: number }, by: Orderer): Promise<void> {
    this.admit(trustDomain);
    const key = { ...asked, publishedAt: this.#parts.clock.now() };
    this.#check(key);
    const { below } = this.#parts.journal.content;
    const known = below.find(({ id }) => id === key.id);
    await this.#parts.above?.publish(key);
    if (known !== undefined && known.expiresAt >= key.expiresAt) return;
    const { id, expiresAt } = key;
    await this.#parts.record({ kind: 'downstream.key-published', below: id, expiresAt, ...by });
    failpoint('downstream.key-recorded');
    await this.#succession.publishBeside({ below: [...below.filter((one) => one !== known), key] });
    failpoint('downstream.key-published');
  }

  async withdraw(id: string, by: Orderer): Promise<void> {
    await this.#parts.above?.withdraw(id);
    if (this.#parts.journal.content.below.some((key) => key.id === id)) await this.#remove([id], 'withdrawn', by);
  }

  /** Keys whose last signature has ended. */
  async forgetEnded(): Promise<void> {
    const now = this.#parts.clock.now();
    const ended = this.#parts.journal.content.below.filter(
      ({ publishedAt, expiresAt }) => now >= expiresAt + graceMs(expiresAt - publishedAt),
    );
    if (ended.length > 0) {
      await this.#remove(
        ended.map(({ id }) => id),
        'expired',
        {},
      );
    }
  }

  /** What those below publish in their turn. */
  trust(): Trust {
    const { x509Authorities, jwtAuthorities } = this.#succession.bundle.value;
    return {
      x509Authorities,
      jwtKeys: jwtAuthorities.map(({ keyId, publicKey }) => ({
        id: keyId,
        publicKey: publicKey.export({ type: 'spki', format: 'der' }),
      })),
      vouchers: this.#succession.authorities.flatMap(({ certificate, state }) =>
        certificate === undefined ? [] : [{ certificate, tainted: state === 'tainted', signs: state === 'active' }],
      ),
    };
  }

  async #remove(ids: readonly string[], reason: 'withdrawn' | 'expired', by: Partial<Orderer>): Promise<void> {
    for (const below of ids) await this.#parts.record({ kind: 'downstream.key-removed', below, reason, ...by });
    failpoint('downstream.removal-recorded');
    const { below } = this.#parts.journal.content;
    await this.#succession.publishBeside({ below: below.filter(({ id }) => !ids.includes(id)) });
    failpoint('downstream.key-removed');
  }

  #lifeMs(kind: AuthorityKind): number {
    return this.#parts.policies[kind]?.lifeMs ?? 0;
  }

  /** By the settings, and to those of our own trust domain. */
  admit(trustDomain: string): void {
    const { levelsBelow, trustDomain: ours } = this.#parts;
    if (levelsBelow === 0) {
      const message = 'no issuer may be below this one: its settings must say levels_below: 1';
      throw refusal('failed-precondition', message);
    }
    if (trustDomain === ours) return;
    throw refusal('failed-precondition', `this issuer is of ${ours}: an issuer below it must be, too`);
  }

  #check({ id, publicKey, publishedAt: now, expiresAt }: KeyBelow): void {
    const { journal } = this.#parts;
    const lifeMs = this.#lifeMs('jwt');
    idOf(id);
    if (!tokenKeyTypes.has(parsePublicKey(publicKey).type)) throw refusal('invalid-argument', 'it is no key of tokens');
    if (expiresAt <= now) throw refusal('invalid-argument', 'the key has ended');
    if (expiresAt > now + lifeMs) {
      const most = `this issuer's own live ${lifeMs / 1000} s, and none below it longer: choose ca_ttl there accordingly`;
      throw refusal('failed-precondition', `the key would sign for too long; ${most}`);
    }
    const { authorities, below, above } = journal.content;
    const same = [...authorities, ...below, ...(above?.jwtKeys ?? [])].find((key) => key.id === id);
    if (same !== undefined && !same.publicKey.equals(publicKey)) {
      throw refusal('already-exists', 'another key has that id');
    }
    if (same === undefined && below.length >= mostKeys) {
      throw refusal('resource-exhausted', `issuers below this one have ${mostKeys} keys in the bundle already`);
    }
  }
}

/** Each goes to every workload, and to everybody who fetches the bundle. */
const mostKeys = 256;
const tokenKeyTypes: ReadonlySet<string> = new Set(['ec-p256', 'ec-p384', 'rsa']);

/** In the certificate's name, and in the bundle. */
function idOf(text: string): string {
  if (/^[0-9a-f]{32}$/.test(text)) return text;
  throw refusal('invalid-argument', 'an authority has an id of 32 hexadecimal digits');
}

/** By the settings, and by the certificates of ours and of everybody above. */
function requireRoom(asked: number, levels: number, { certificate, upstream }: X509Signing): void {
  if (asked >= levels) {
    const message = `the issuer below wants levels_below: ${asked}; with levels_below: ${levels} here it is ${levels - 1} at most`;
    throw refusal('failed-precondition', message);
  }
  const above = [certificate, ...(upstream?.chain ?? [])].map((der) => parseCertificate(der).pathLength);
  if (above.every((pathLength, index) => pathLength === undefined || pathLength >= asked + index + 1)) return;
  const message =
    'the certificate of this issuer has a path length that leaves no room for it: mayfly authority rotate x509';
  throw refusal('failed-precondition', message);
}

const refusal = (code: ConstructorParameters<typeof IdentityError>[0], message: string): IdentityError =>
  new IdentityError(code, message);
