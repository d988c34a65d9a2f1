import type { AwsRole } from '../cloud/aws.ts';
import { certificatePolicy, longestSubject, tokenPolicy } from '../cloud/aws-trust-policy.ts';
import { IdentityError } from '../errors.ts';
import type { Audience, Entry } from '../gen/mayfly/admin/v1/admin.ts';
import { audienceAllowed } from '../spiffe/entry.ts';
import { Issuer } from '../spiffe/issuer.ts';
import type { Admin } from './admin.ts';
import { entryNamed } from './entry-named.ts';
import type { Answer } from './leaf.ts';

export interface AwsPolicyOptions {
  readonly entry: string;
  readonly roleArn: AwsRole;
  readonly via: 'web-identity' | 'roles-anywhere';
  readonly audience: string;
  readonly trustAnchorArn?: string;
}

export async function awsTrustPolicy(admin: Admin, options: AwsPolicyOptions): Promise<Answer> {
  const entry = await entryNamed(admin, options.entry);
  const { policy, warnings } =
    options.via === 'web-identity' ? await byToken(admin, entry, options) : byCertificate(entry, options);
  return { document: policy, text: `${JSON.stringify(policy, undefined, 2)}\n`, warnings };
}

async function byToken(admin: Admin, entry: Entry, { roleArn: role, audience }: AwsPolicyOptions) {
  const { issuer } = await admin.ask(admin.client.getIssuer, {});
  const { audiences } = await admin.ask(admin.client.listAudiences, {});
  const claims = claimsFor(audience, audiences);
  const policy = tokenPolicy({
    role,
    spiffeId: entry.spiffeId,
    issuer: Issuer.withoutScheme(Issuer.parse(issuer)),
    audience,
    // Ceph reads neither.
    tags: role.account !== '' && claims.includes('"https://aws.amazon.com/tags"'),
    sourceIdentity: role.account !== '' && claims.includes('"https://aws.amazon.com/source_identity"'),
  });
  return { policy, warnings: tokenWarnings(entry, audience) };
}

function byCertificate(entry: Entry, { trustAnchorArn }: AwsPolicyOptions) {
  if (trustAnchorArn === undefined) {
    throw new IdentityError('invalid-argument', 'roles-anywhere needs --trust-anchor-arn');
  }
  const nameless = entry.subject === '' && entry.dnsNames.length === 0;
  const warnings = nameless
    ? [`Roles Anywhere wants a subject in the certificate: \`mayfly entry update ${entry.id} --subject '{name}'\``]
    : [];
  return { policy: certificatePolicy({ spiffeId: entry.spiffeId, trustAnchorArn }), warnings };
}

function tokenWarnings({ id, spiffeId, audiences }: Entry, audience: string): string[] {
  const allowed = audienceAllowed({ audiences }, audience);
  return [
    ...(allowed
      ? []
      : [`the entry has no audience ${audience}: \`mayfly entry update ${id} --audience ${audience}\` adds one`]),
    ...(spiffeId.length > longestSubject ? [`AWS takes a subject of at most ${longestSubject} characters`] : []),
  ];
}

/** The template of claims that tokens for this audience are made by: an exact one before a prefix. */
function claimsFor(audience: string, all: readonly Audience[]): string {
  const fits = (pattern: string): boolean =>
    pattern === audience || (pattern.endsWith('*') && audience.startsWith(pattern.slice(0, -1)));
  const exact = all.find(({ audiences }) => audiences.includes(audience));
  return (exact ?? all.find(({ audiences }) => audiences.some(fits)))?.claims ?? '';
}
