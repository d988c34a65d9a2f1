/** The upstream authority that the settings name. */
import { selfSigned } from '../certificate.ts';
import type { UpstreamAuthority } from '../upstream.ts';
import { type DiskUpstreamSettings, diskUpstream } from './disk.ts';
import { type VaultPkiSettings, vaultPkiUpstream } from './vault-pki.ts';

export type UpstreamSettings =
  | { readonly kind: 'self-signed' }
  | ({ readonly kind: 'disk' } & DiskUpstreamSettings)
  | ({ readonly kind: 'vault-pki' } & VaultPkiSettings);

export function openUpstream(settings: UpstreamSettings): UpstreamAuthority {
  if (settings.kind === 'disk') return diskUpstream(settings);
  if (settings.kind === 'self-signed') return ourselves;
  return vaultPkiUpstream(settings);
}

/** Every authority is a root. */
const ourselves: UpstreamAuthority = {
  name: 'the authority itself',
  certify: async (request, signer) => ({ certificate: await selfSigned(request, signer), upstream: undefined }),
};
