import type { Command } from 'commander';
import type { Entry } from '../gen/mayfly/admin/v1/admin.ts';
import { systemClock } from '../runtime/clock.ts';
import { parseDuration } from '../runtime/duration.ts';
import { parsed, repeated } from './leaf.ts';
import { parseMoment } from './moment.ts';

/** The fields of an entry as options write them. */
export interface EntryFlags {
  readonly spiffeId?: string;
  readonly selector: readonly string[];
  readonly owner?: string;
  readonly description?: string;
  readonly x509Ttl?: number;
  readonly jwtTtl?: number;
  readonly audience: readonly string[];
  readonly dnsName: readonly string[];
  readonly subject?: string;
  readonly hint?: string;
  readonly federatesWith: readonly string[];
  readonly expiresAt?: number;
}

/** What `entry update --clear` can empty, with the field names of the admin API. */
export const clearable = {
  description: 'description',
  'x509-ttl': 'x509_svid_ttl',
  'jwt-ttl': 'jwt_svid_ttl',
  audience: 'audiences',
  'dns-name': 'dns_names',
  subject: 'subject',
  hint: 'hint',
  'federates-with': 'federates_with',
  'expires-at': 'expires_at',
} as const;

export function entryFlags(command: Command): Command {
  const ahead = (text: string): number => parseMoment(text, systemClock.now(), 'ahead');
  return command
    .option('--spiffe-id <id>', 'the identity, such as spiffe://example.org/web')
    .addOption(repeated('--selector <type:value>', 'what the process must have, such as unix:uid:1000; all must match'))
    .option('--owner <person>', 'who answers for it')
    .option('--description <text>', 'what it is for')
    .option('--x509-ttl <duration>', "life of its X.509-SVIDs (0: the issuer's default)", parsed(parseDuration))
    .option('--jwt-ttl <duration>', "life of its JWT-SVIDs (0: the issuer's default)", parsed(parseDuration))
    .addOption(
      repeated('--audience <name>', "who its JWT-SVIDs may be for, exact or ending in '*'; none: no JWT-SVIDs"),
    )
    .addOption(repeated('--dns-name <name>', 'a DNS name in its X.509-SVIDs'))
    .option('--subject <name>', "common name in its X.509-SVIDs, for those who go by it; may name facts: '{name}'")
    .option('--hint <text>', 'tells a workload with several identities which this one is')
    .addOption(repeated('--federates-with <domain>', 'a foreign trust domain whose bundle it gets'))
    .option('--expires-at <time>', 'the end of the entry: RFC 3339, or 8h (from now)', parsed(ahead));
}

export const entryOfFlags = (flags: EntryFlags): Entry => ({
  ...emptyEntry,
  spiffeId: flags.spiffeId ?? '',
  selectors: [...flags.selector],
  owner: flags.owner ?? '',
  description: flags.description ?? '',
  x509SvidTtl: flags.x509Ttl ?? 0,
  jwtSvidTtl: flags.jwtTtl ?? 0,
  audiences: [...flags.audience],
  dnsNames: [...flags.dnsName],
  subject: flags.subject ?? '',
  hint: flags.hint ?? '',
  federatesWith: [...flags.federatesWith],
  expiresAt: flags.expiresAt === undefined ? undefined : new Date(flags.expiresAt),
});

/** The fields that the options give a value, by their names in the admin API. */
export function namedFields(flags: EntryFlags): string[] {
  const given: readonly (readonly [string, unknown])[] = [
    ['spiffe_id', flags.spiffeId],
    ['selectors', flags.selector],
    ['owner', flags.owner],
    ['description', flags.description],
    ['x509_svid_ttl', flags.x509Ttl],
    ['jwt_svid_ttl', flags.jwtTtl],
    ['audiences', flags.audience],
    ['dns_names', flags.dnsName],
    ['subject', flags.subject],
    ['hint', flags.hint],
    ['federates_with', flags.federatesWith],
    ['expires_at', flags.expiresAt],
  ];
  const isGiven = (value: unknown): boolean => (Array.isArray(value) ? value.length > 0 : value !== undefined);
  return given.filter(([, value]) => isGiven(value)).map(([name]) => name);
}

/** An entry of which nothing has been said. */
export const emptyEntry: Readonly<Entry> = {
  id: '',
  spiffeId: '',
  selectors: [],
  owner: '',
  description: '',
  x509SvidTtl: 0,
  jwtSvidTtl: 0,
  dnsNames: [],
  subject: '',
  hint: '',
  federatesWith: [],
  audiences: [],
  expiresAt: undefined,
  revision: 0,
  createdAt: undefined,
};
