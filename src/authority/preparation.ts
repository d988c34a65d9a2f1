/** How an authority comes to be: a key that is noted before it exists, and a certificate that strangers have judged. */
import { IdentityError } from '../errors.ts';
import type { Clock } from '../runtime/clock.ts';
import { failpoint } from '../runtime/failpoint.ts';
import type { Random } from '../runtime/random.ts';
import type { KeyType, Signer } from '../runtime/signer.ts';
import type { TrustDomain } from '../spiffe/id.ts';
import { serialBytes } from './issue-x509.ts';
import type { AuthorityRecord, Journal, PlannedKey } from './journal.ts';
import type { KeyPlaces } from './keys/places.ts';
import { type KeyStore, proveKey } from './keys.ts';
import type { AuthorityKind, RotationPolicies } from './rotation.ts';
import type { SecondOpinion } from './second-opinion.ts';
import { type Certified, certified, type UpstreamAuthority } from './upstream.ts';
import { backdated, wholeSecond } from './validity.ts';

export interface PreparationParts {
  readonly trustDomain: TrustDomain;
  readonly journal: Journal;
  readonly keyPlaces: KeyPlaces;
  readonly clock: Clock;
  readonly random: Random;
  readonly keyTypes: Readonly<Record<AuthorityKind, KeyType>>;
  readonly policies: RotationPolicies;
  readonly secondOpinion: SecondOpinion;
  readonly upstream: UpstreamAuthority;
  /** How many levels of issuers may be below this one. */
  readonly levelsBelow: number;
}

/** An authority that nobody has heard of yet. */
export interface Prepared {
  readonly record: AuthorityRecord;
  readonly signer: Signer;
}

/** @param outlive when the one ends that it is to follow: what ends no later is not taken, and its key is kept for the next */
export async function prepareAuthority(
  kind: AuthorityKind,
  parts: PreparationParts,
  outlive: number | undefined,
): Promise<Prepared> {
  const { planned, resumed } = planKey(kind, parts);
  const keyStore = parts.keyPlaces.at(planned.place);
  if (keyStore === undefined) throw new TypeError('keys are planned where they can be made');
  const signer = (resumed ? await findKey(planned, keyStore) : undefined) ?? (await makeKey(planned, keyStore));
  const record = await describe(planned, signer, parts);
  if (outlive === undefined || record.notAfter > outlive) return { record, signer };
  const message = `${parts.upstream.name} vouches for nothing that ends later than the authority that signs now: it ends itself`;
  throw new IdentityError('unavailable', message, { reason: 'upstream-ends' });
}

/** Under which name the key store has the key. */
export const keyName = ({ kind, id }: Pick<PlannedKey, 'kind' | 'id'>): string => `${kind}-${id}`;

const idBytes = 16;

/** A key that was planned before a crash is made now, or found made: there is never a second one (R-KEY-2). */
function planKey(kind: AuthorityKind, parts: PreparationParts): { planned: PlannedKey; resumed: boolean } {
  const { journal, keyTypes, random, keyPlaces } = parts;
  const known = journal.content.planned.find((planned) => planned.kind === kind);
  if (known?.place === keyPlaces.present) return { planned: known, resumed: true };
  const id = random.bytes(idBytes).toString('hex');
  const planned = { id, kind, keyType: keyTypes[kind], place: keyPlaces.present };
  failpoint('authority.plan');
  const rest = journal.content.planned.filter((other) => other !== known);
  // Where it was to be made nothing is made any more.
  const discarded = known === undefined ? [] : [{ id: known.id, kind, place: known.place }];
  journal.write({ planned: [...rest, planned], discarded: [...journal.content.discarded, ...discarded] });
  failpoint('authority.planned');
  return { planned, resumed: false };
}

/** Nobody has seen this key yet: a damaged one is replaced. */
function findKey(planned: PlannedKey, keyStore: KeyStore): Promise<Signer | undefined> {
  return keyStore.load(keyName(planned), undefined).catch((error: unknown) => {
    if (error instanceof IdentityError && error.code === 'data-loss') return undefined;
    throw error;
  });
}

async function makeKey(planned: PlannedKey, keyStore: KeyStore): Promise<Signer> {
  const signer = await keyStore.create(keyName(planned), planned.keyType);
  failpoint('authority.key-made');
  await proveKey(signer, undefined, 'the key that was just made');
  return signer;
}

async function describe(
  { id, kind, place }: PlannedKey,
  signer: Signer,
  parts: PreparationParts,
): Promise<AuthorityRecord> {
  const { clock, random, trustDomain, policies, levelsBelow } = parts;
  const now = clock.now();
  const lifeMs = policies[kind]?.lifeMs;
  if (lifeMs === undefined) throw new TypeError('none of this kind is wanted');
  const life = { notBefore: backdated(now), notAfter: wholeSecond(now) + lifeMs };
  const serial = random.bytes(serialBytes);
  const request = { id, trustDomain, serial, levelsBelow, ...life };
  const vouched = kind !== 'x509' ? undefined : await certified(parts.upstream, request, signer, now);
  await judge(vouched, signer, parts.secondOpinion);
  const { keyType, publicKey } = signer;
  return {
    id,
    kind,
    state: 'prepared',
    keyType,
    place,
    preparedAt: now,
    activatedAt: undefined,
    retiredAt: undefined,
    taintedAt: undefined,
    notBefore: vouched?.notBefore ?? life.notBefore,
    notAfter: vouched?.notAfter ?? life.notAfter,
    publicKey,
    certificate: vouched?.certificate,
    upstream: vouched?.upstream,
  };
}

function judge(vouched: Certified | undefined, signer: Signer, opinion: SecondOpinion): Promise<void> {
  if (vouched === undefined) return opinion.tokenKey(signer);
  return opinion.certificate(vouched.certificate, vouched.upstream?.chain[0] ?? vouched.upstream?.roots[0]);
}
