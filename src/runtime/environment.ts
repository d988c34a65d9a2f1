import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The few variables that mayfly honours. Nothing else reads the environment. */
export const environment = {
  adminSocket: (): string | undefined => process.env['MAYFLY_ADMIN_SOCKET'] || undefined,
  /** For mayfly's own tests, see failpoint.ts. */
  failpoints: (): string | undefined => process.env['MAYFLY_FAILPOINTS'],
  /** What Node itself obeys. */
  nodeOptions: (): string => process.env['NODE_OPTIONS'] ?? '',
  /** One that a setting names, because what is in it does not belong into a file of settings. */
  named: (name: string): string | undefined => process.env[name] || undefined,
  /** Of the two spellings of each the lower one comes first, as with other programs. */
  proxy: (): { readonly httpsProxy: string | undefined; readonly noProxy: string | undefined } => ({
    httpsProxy: process.env['https_proxy'] || process.env['HTTPS_PROXY'] || undefined,
    noProxy: process.env['no_proxy'] || process.env['NO_PROXY'] || undefined,
  }),
  /** For sockets and files of one user, in memory where the host has such a place. */
  runtimeDirectory: (): string => process.env['XDG_RUNTIME_DIR'] || join(tmpdir(), `mayfly-${process.getuid?.()}`),
  /** Those that AWS's own tools take: where to ask, and whom to believe. */
  awsRegion: (): string | undefined => process.env['AWS_REGION'] || process.env['AWS_DEFAULT_REGION'] || undefined,
  awsCaBundle: (): string | undefined => process.env['AWS_CA_BUNDLE'] || undefined,
  rolesAnywhereEndpoint: (): string | undefined => process.env['AWS_ENDPOINT_URL_ROLESANYWHERE'] || undefined,
  stsEndpoint: (): string | undefined => process.env['AWS_ENDPOINT_URL_STS'] || undefined,
  endpointSocket: (): string | undefined => process.env['SPIFFE_ENDPOINT_SOCKET'] || undefined,
};
