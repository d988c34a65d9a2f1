/** Registration entries: what a workload with certain selectors is owed, and the person answerable for it. */
import { IdentityError } from '../errors.ts';
import { SpiffeId, TrustDomain } from './id.ts';
import { Selector } from './selector.ts';
import { type Facts, faultOfTemplate, filledIn, registeredFacts } from './template.ts';
import { faultOfDnsName, faultOfText } from './text.ts';

export interface Entry {
  readonly id: string;
  readonly spiffeId: SpiffeId;
  /** Sorted, without repeats; a workload must have all of them. */
  readonly selectors: readonly Selector[];
  readonly owner: string;
  readonly description: string;
  /** 0: the server's default. */
  readonly x509SvidTtlSeconds: number;
  /** 0: the server's default. */
  readonly jwtSvidTtlSeconds: number;
  readonly dnsNames: readonly string[];
  /** Common name of its X.509-SVIDs, with places for facts (template.ts). '': the first DNS name, or no subject at all. */
  readonly subject: string;
  readonly hint: string;
  readonly federatesWith: readonly TrustDomain[];
  /** Exact, or a prefix with a trailing `*`. Empty: no JWT-SVIDs at all. */
  readonly audiences: readonly string[];
  readonly expiresAt: number | undefined;
  readonly revision: number;
  readonly createdAt: number;
}

/** What a person decides about an entry; the rest is given by the registry. */
export type EntryFields = Omit<Entry, 'id' | 'revision' | 'createdAt'>;

/** The same as it arrives: unchecked, and what is left out takes its empty value. */
export interface EntryDraft {
  readonly spiffeId: string;
  readonly selectors: readonly string[];
  readonly owner: string;
  readonly description?: string | undefined;
  readonly x509SvidTtlSeconds?: number | undefined;
  readonly jwtSvidTtlSeconds?: number | undefined;
  readonly dnsNames?: readonly string[] | undefined;
  readonly subject?: string | undefined;
  readonly hint?: string | undefined;
  readonly federatesWith?: readonly string[] | undefined;
  readonly audiences?: readonly string[] | undefined;
  readonly expiresAt?: number | undefined;
}

export interface EntryLimits {
  readonly x509SvidTtlSeconds: number;
  readonly jwtSvidTtlSeconds: number;
}

/** Longer is refused at registration. Whatever is registered, the authority's own end comes first. */
export const defaultEntryLimits: EntryLimits = { x509SvidTtlSeconds: 7 * 86_400, jwtSvidTtlSeconds: 86_400 };

/** Below this, a credential could end before it is used. */
export const shortestTtlSeconds = 5;

/** Counts, and bytes of one value: what fits a certificate, a token and a screen. */
const longest = {
  selectors: 32,
  names: 32,
  audiences: 64,
  owner: 256,
  description: 1024,
  hint: 1024,
  audience: 1024,
  subject: 128,
};
/** The end of GeneralizedTime (RFC 5280 section 4.1.2.5.2). */
const endOfTime = Date.UTC(9999, 11, 31, 23, 59, 59);

/** Every rule of registration; the first one broken is named together with its field. */
export function checkEntry(draft: EntryDraft, trustDomain: TrustDomain, limits = defaultEntryLimits): EntryFields {
  return {
    spiffeId: ownId(draft.spiffeId, trustDomain),
    selectors: selectorsOf(draft.selectors),
    owner: ownerOf(draft.owner),
    description: text('description', draft.description ?? '', longest.description),
    x509SvidTtlSeconds: ttl('x509_svid_ttl', draft.x509SvidTtlSeconds ?? 0, limits.x509SvidTtlSeconds),
    jwtSvidTtlSeconds: ttl('jwt_svid_ttl', draft.jwtSvidTtlSeconds ?? 0, limits.jwtSvidTtlSeconds),
    dnsNames: list('dns_names', draft.dnsNames, longest.names, dnsName),
    subject: subjectOf(draft, trustDomain),
    hint: text('hint', draft.hint ?? '', longest.hint),
    federatesWith: list('federates_with', draft.federatesWith, longest.names, (name) => foreign(name, trustDomain)),
    audiences: list('audiences', draft.audiences, longest.audiences, audiencePattern),
    expiresAt: moment('expires_at', draft.expiresAt),
  };
}

/** Every selector of the entry is present. An entry without selectors matches nobody, never everybody. */
export const matches = (entry: Pick<Entry, 'selectors'>, selectors: ReadonlySet<Selector>): boolean =>
  entry.selectors.length > 0 && entry.selectors.every((selector) => selectors.has(selector));

export const audienceAllowed = (entry: Pick<Entry, 'audiences'>, audience: string): boolean =>
  entry.audiences.some((allowed) =>
    allowed.endsWith('*') ? audience.startsWith(allowed.slice(0, -1)) : audience === allowed,
  );

/** What is allowed and yet seldom wise, in words for the one who registers it. */
export function entryWarnings(fields: Pick<Entry, 'selectors' | 'audiences'>): string[] {
  const warnings: string[] = [];
  if (fields.selectors.every(isAboutTheProgram)) warnings.push(programAlone);
  if (fields.audiences.includes('*')) warnings.push(anyAudience);
  return warnings;
}

const isAboutTheProgram = (selector: Selector): boolean => /^unix:(path|sha256):/.test(selector);

/** R-PEER-2: a swap of the program before the connection is accepted leaves no trace that could be found. */
const programAlone =
  'This entry rests on unix:path or unix:sha256 alone. Any local user can start that program, and a process can connect ' +
  'and then become it by exec while an accomplice keeps the connection; before the connection is accepted this cannot ' +
  'be seen. Add a selector that says who runs it, such as unix:uid.';

const anyAudience =
  'The audience * lets this workload obtain a token for every service. Name the services, or give a prefix such as ' +
  'reports-*.';

/** An entry may only name the trust domain that signs it (SPIFFE-ID section 3). */
function ownId(id: string, trustDomain: TrustDomain): SpiffeId {
  const parsed = inField('spiffe_id', () => SpiffeId.parseWorkload(id));
  if (SpiffeId.trustDomain(parsed) !== trustDomain) {
    throw refusal('spiffe_id', `must lie in this server's trust domain, ${TrustDomain.id(trustDomain)}`);
  }
  return parsed;
}

function selectorsOf(selectors: readonly string[]): readonly Selector[] {
  if (selectors.length === 0)
    throw refusal('selectors', 'needs at least one: without any it would match every workload');
  return list('selectors', selectors, longest.selectors, (one) =>
    inField('selectors', () => Selector.parse(one)),
  ).sort();
}

/** RFC 5280 appendix A.1, ub-common-name. */
const longestCommonName = 64;
/** An entry has its id when it is there: as long as any. */
const someId = '00000000-0000-0000-0000-000000000000';

/** As long as the names in it will be: refused now, and not when a workload asks. */
function subjectOf({ subject = '', spiffeId, owner }: EntryDraft, trustDomain: TrustDomain): string {
  const checked = text('subject', subject, longest.subject);
  const fault = faultOfTemplate(checked, registeredFacts);
  if (fault !== undefined) throw refusal('subject', fault);
  const name = filledIn(checked, factsOf({ id: someId, spiffeId: ownId(spiffeId, trustDomain), owner }));
  if (name.length <= longestCommonName) return checked;
  throw refusal('subject', `would be ${name.length} characters long, a common name has at most ${longestCommonName}`);
}

/** What is registered, for templates. */
export function factsOf({ id, spiffeId, owner }: Pick<Entry, 'id' | 'spiffeId' | 'owner'>): Facts {
  const path = SpiffeId.path(spiffeId);
  const name = path.slice(path.lastIndexOf('/') + 1);
  return { spiffe_id: spiffeId, trust_domain: SpiffeId.trustDomain(spiffeId), path, name, entry: id, owner };
}

/** Of its X.509-SVIDs; undefined: no subject. */
export function commonNameOf(
  entry: Pick<Entry, 'id' | 'spiffeId' | 'owner' | 'subject' | 'dnsNames'>,
): string | undefined {
  if (entry.subject !== '') return filledIn(entry.subject, factsOf(entry));
  const [firstName = ''] = entry.dnsNames;
  return firstName === '' || firstName.length > longestCommonName ? undefined : firstName;
}

function ownerOf(owner: string): string {
  if (owner === '') throw refusal('owner', 'is missing: there is no entry without a person answerable for it');
  return text('owner', owner, longest.owner);
}

function text(field: string, value: string, longestBytes: number): string {
  const fault = faultOfText(value, longestBytes);
  if (fault !== undefined) throw refusal(field, fault);
  return value;
}

function ttl(field: string, seconds: number, longestSeconds: number): number {
  if (seconds === 0) return 0;
  if (Number.isInteger(seconds) && seconds >= shortestTtlSeconds && seconds <= longestSeconds) return seconds;
  throw refusal(field, `must be whole seconds from ${shortestTtlSeconds} to ${longestSeconds}, or 0 for the default`);
}

/** In the order given, without repeats. */
function list<T>(field: string, values: readonly string[] = [], most: number, check: (value: string) => T): T[] {
  if (values.length > most) throw refusal(field, `has ${values.length} values; at most ${most} are allowed`);
  return [...new Set(values)].map(check);
}

function dnsName(name: string): string {
  const fault = faultOfDnsName(name);
  if (fault !== undefined) throw refusal('dns_names', `has a name that ${fault}`);
  return name;
}

function foreign(name: string, own: TrustDomain): TrustDomain {
  const parsed = inField('federates_with', () => TrustDomain.parse(name));
  if (parsed === own) throw refusal('federates_with', 'names this trust domain itself; leave it out');
  return parsed;
}

function audiencePattern(audience: string): string {
  if (audience === '') throw refusal('audiences', 'has an empty value');
  if (audience.slice(0, -1).includes('*')) throw refusal('audiences', 'has a * that is not at the end');
  return text('audiences', audience, longest.audience);
}

function moment(field: string, at: number | undefined): number | undefined {
  if (at === undefined || (Number.isInteger(at) && at > 0 && at <= endOfTime)) return at;
  throw refusal(field, 'is not a moment between 1970 and 9999');
}

function inField<T>(field: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (cause instanceof IdentityError) throw refusal(field, `is refused: ${cause.message}`, cause);
    throw cause;
  }
}

const refusal = (field: string, fault: string, cause?: IdentityError): IdentityError =>
  new IdentityError('invalid-argument', `${field} ${fault}`, { cause, reason: `entry-${field}` });
