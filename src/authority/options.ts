/** What the room is opened with, and what follows from it. */
import { join } from 'node:path';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { Random } from '../runtime/random.ts';
import type { KeyType } from '../runtime/signer.ts';
import type { TrustDomain } from '../spiffe/id.ts';
import type { Issuer } from '../spiffe/issuer.ts';
import { diskJournal, Journal, type JournalFile } from './journal.ts';
import { type KeyPlaceSettings, onePlace, openKeyPlaces } from './keys/places.ts';
import type { KeyStore } from './keys.ts';
import type { NestedUpstream } from './nested/above.ts';
import type { NestedEvent } from './nested/trust.ts';
import { type Revocation, Revocations } from './revocations.ts';
import { publishLeadMs, type RotationPolicies, type RotationPolicy } from './rotation.ts';
import { libraries, type SecondOpinion } from './second-opinion.ts';
import type { AuthorityEvent } from './steps.ts';
import { openUpstream, type UpstreamSettings } from './upstreams/open.ts';

export interface AuthorityOptions {
  /** Private to us; holds `authorities.json`, and `keys/` where no other key store is given. */
  readonly directory: string;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly random: Random;
  /** Life of an authority. */
  readonly caTtlSeconds: number;
  /** Of one that signs tokens, where it is another. */
  readonly jwtCaTtlSeconds?: number | undefined;
  /** `iss` of every token. With it there is an RSA authority beside that of `jwtKeyType`, for those who take RS256 alone. */
  readonly issuer?: Issuer | undefined;
  /** Token keys get a certificate besides, for relying parties that take keys in no other form. */
  readonly certifyTokenKeys?: boolean | undefined;
  readonly x509KeyType: KeyType;
  readonly jwtKeyType: KeyType;
  /** Of SVIDs whose entry does not say. */
  readonly x509SvidTtlSeconds: number;
  readonly jwtSvidTtlSeconds: number;
  /** An authority is replaced while SVIDs of this life still fit into its own; the longer of the two above if absent. */
  readonly longestTtlSeconds?: number | undefined;
  /** Puts a step on record; the step takes effect once this has resolved. */
  readonly record: (event: AuthorityEvent | NestedEvent) => Promise<void>;
  /** What was taken back and has not expired, as the ledger remembers it. */
  readonly revoked?: Iterable<Revocation> | undefined;
  /** Called with the sequence number that the journal holds, before anything is done with it: to refuse an old copy. */
  readonly opened?: ((sequence: bigint) => void) | undefined;
  /** Where keys are made; in `keys/` of the directory where nothing else is said. */
  readonly keys?: KeyPlaceSettings | undefined;
  /** Where keys were made before: as long as it is named, they sign to the end of their turn, and are deleted then. */
  readonly formerKeys?: readonly KeyPlaceSettings[] | undefined;
  /** Hears when keys fail and when they are back. */
  readonly log?: Pick<Log, 'info' | 'warn'> | undefined;
  /** Who signs the certificates of X.509 authorities; they themselves where nothing is said. */
  readonly upstream?: UpstreamSettings | undefined;
  /** An issuer of the same trust domain above this one, in the place of `upstream`. */
  readonly above?: NestedUpstream | undefined;
  /** How many levels of issuers may be below this one; none where nothing is said. */
  readonly levelsBelow?: number | undefined;
  readonly keyStore?: KeyStore | undefined;
  readonly journalFile?: JournalFile | undefined;
  /** Who judges a new authority before it is published; libraries of other people where nobody is named. */
  readonly secondOpinion?: SecondOpinion | undefined;
}

/** A reader polls at the hint and has seen a new key five times over before it is used (FD-35). */
const hintsPerLead = 5;
const longestHintSeconds = 300;

/** Relying parties look at our keys when they like; nobody is known to like it less often than once a day. */
const relyingPartyLeadMs = 86_400_000;

function policiesOf(options: AuthorityOptions): { readonly [K in 'x509' | 'jwt']: RotationPolicy } & RotationPolicies {
  const { x509SvidTtlSeconds, jwtSvidTtlSeconds, issuer, jwtKeyType, caTtlSeconds } = options;
  const longestTtlMs = (options.longestTtlSeconds ?? Math.max(x509SvidTtlSeconds, jwtSvidTtlSeconds)) * 1000;
  const publishLeadMs = hintsPerLead * longestHintSeconds * 1000;
  const x509 = { lifeMs: caTtlSeconds * 1000, longestTtlMs, publishLeadMs };
  const jwt = {
    ...{ lifeMs: (options.jwtCaTtlSeconds ?? caTtlSeconds) * 1000, longestTtlMs },
    publishLeadMs: issuer === undefined ? publishLeadMs : relyingPartyLeadMs,
  };
  return issuer === undefined || jwtKeyType.startsWith('rsa') ? { x509, jwt } : { x509, jwt, 'jwt-rsa': jwt };
}

export function partsOf(options: AuthorityOptions) {
  const { directory, keyStore, journalFile, trustDomain, clock, random, record, log } = options;
  const { keys = { kind: 'disk' }, formerKeys = [] } = options;
  const { x509KeyType, jwtKeyType, x509SvidTtlSeconds, jwtSvidTtlSeconds, revoked } = options;
  const policies = policiesOf(options);
  const lead = Math.min(...[policies.x509, policies.jwt].map((policy) => publishLeadMs(policy.lifeMs, policy)));
  return {
    journal: Journal.open(journalFile ?? diskJournal(join(directory, 'authorities.json')), trustDomain),
    keyPlaces: keyStore === undefined ? openKeyPlaces(directory, keys, formerKeys) : onePlace(keyStore),
    keyTypes: { x509: x509KeyType, jwt: jwtKeyType, 'jwt-rsa': 'rsa-2048' } as const,
    ttlSeconds: { x509: x509SvidTtlSeconds, jwt: jwtSvidTtlSeconds },
    refreshHintSeconds: Math.min(longestHintSeconds, Math.max(1, Math.floor(lead / hintsPerLead / 1000))),
    secondOpinion: options.secondOpinion ?? libraries,
    upstream: options.above ?? openUpstream(options.upstream ?? { kind: 'self-signed' }),
    above: options.above,
    levelsBelow: options.levelsBelow ?? 0,
    revocations: new Revocations(clock, revoked),
    issuer: options.issuer,
    certifyTokenKeys: options.certifyTokenKeys ?? false,
    ...{ policies, trustDomain, clock, random, record, log },
  };
}
