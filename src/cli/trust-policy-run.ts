import type { PolicyQuestion, TrustPolicy } from '../cloud/trust-policy.ts';
import { azurePolicy } from '../cloud/trust-policy-azure.ts';
import { gcpPolicy } from '../cloud/trust-policy-gcp.ts';
import { kubernetesPolicy } from '../cloud/trust-policy-kubernetes.ts';
import { vaultPolicy } from '../cloud/trust-policy-vault.ts';
import type { Entry } from '../gen/mayfly/admin/v1/admin.ts';
import type { Admin } from './admin.ts';
import { entryNamed } from './entry-named.ts';
import type { Answer } from './leaf.ts';

interface OfEntry {
  readonly entry: string;
}

export interface GcpOptions extends OfEntry {
  readonly projectNumber: string;
  readonly pool: string;
  readonly provider: string;
  readonly serviceAccount?: string;
}

export interface AzureOptions extends OfEntry {
  readonly application: string;
  readonly managedIdentity?: string;
  readonly audience: string;
}

export interface KubernetesOptions extends OfEntry {
  readonly audience: string;
  readonly role: string;
  readonly namespace?: string;
  readonly prefix: string;
  readonly form: 'file' | 'flags';
}

export interface VaultOptions extends OfEntry {
  readonly audience: string;
  readonly policies: string;
  readonly by: 'jwt' | 'certificate';
}

export async function gcp(admin: Admin, options: GcpOptions): Promise<Answer> {
  const { entry, issuer } = await known(admin, options.entry);
  const policy = gcpPolicy({ ...options, ...questionOf(entry, issuer, '') });
  return answerOf(entry, issuer, policy.audience, policy);
}

export async function azure(admin: Admin, options: AzureOptions): Promise<Answer> {
  const { entry, issuer } = await known(admin, options.entry);
  const { application, managedIdentity: identity, audience } = options;
  return answerOf(
    entry,
    issuer,
    audience,
    azurePolicy({ ...questionOf(entry, issuer, audience), application, identity }),
  );
}

export async function kubernetes(admin: Admin, options: KubernetesOptions): Promise<Answer> {
  const { entry, issuer } = await known(admin, options.entry);
  const algorithm = await algorithmFor(admin, options.audience);
  const policy = kubernetesPolicy({ ...options, ...questionOf(entry, issuer, options.audience), algorithm });
  return answerOf(entry, issuer, options.audience, policy);
}

export async function vault(admin: Admin, options: VaultOptions): Promise<Answer> {
  if (options.by === 'certificate') {
    const entry = await entryNamed(admin, options.entry);
    const policy = vaultPolicy({ ...options, ...questionOf(entry, '', options.audience), algorithm: '' });
    const warnings = entry.subject === '' && entry.dnsNames.length === 0 ? policy.warnings : [];
    return answerOf(entry, null, null, { ...policy, warnings });
  }
  const { entry, issuer } = await known(admin, options.entry);
  const algorithm = await algorithmFor(admin, options.audience);
  const policy = vaultPolicy({ ...options, ...questionOf(entry, issuer, options.audience), algorithm });
  return answerOf(entry, issuer, options.audience, policy);
}

async function known(admin: Admin, name: string): Promise<{ entry: Entry; issuer: string }> {
  const entry = await entryNamed(admin, name);
  const { issuer } = await admin.ask(admin.client.getIssuer, {});
  return { entry, issuer };
}

/** What tokens for this audience are signed with: an exact one before a prefix; ES256 where nobody says. */
async function algorithmFor(admin: Admin, audience: string): Promise<string> {
  const { audiences: all } = await admin.ask(admin.client.listAudiences, {});
  const fits = (pattern: string): boolean => pattern.endsWith('*') && audience.startsWith(pattern.slice(0, -1));
  const found =
    all.find(({ audiences }) => audiences.includes(audience)) ?? all.find(({ audiences }) => audiences.some(fits));
  return found?.algorithm || 'ES256';
}

const questionOf = ({ id, spiffeId, audiences }: Entry, issuer: string, audience: string): PolicyQuestion => ({
  ...{ entryId: id, spiffeId, audiences, issuer, audience },
  name: spiffeId.split('/').at(-1) ?? 'mayfly',
});

function answerOf(
  { id, spiffeId }: Entry,
  issuer: string | null,
  audience: string | null,
  { text, warnings }: TrustPolicy,
): Answer {
  return { document: { entryId: id, spiffeId, issuer, audience, policy: text }, text, warnings };
}
