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
  /** For sockets and files of one user, in memory where the host has such a place. */
  runtimeDirectory: (): string => process.env['XDG_RUNTIME_DIR'] || join(tmpdir(), `mayfly-${process.getuid?.()}`),
  /** Those that AWS's own tools take: where to ask, and whom to believe. */
  awsRegion: (): string | undefined => process.env['AWS_REGION'] || process.env['AWS_DEFAULT_REGION'] || undefined,
  awsCaBundle: (): string | undefined => process.env['AWS_CA_BUNDLE'] || undefined,
  rolesAnywhereEndpoint: (): string | undefined => process.env['AWS_ENDPOINT_URL_ROLESANYWHERE'] || undefined,
  stsEndpoint: (): string | undefined => process.env['AWS_ENDPOINT_URL_STS'] || undefined,
  endpointSocket: (): string | undefined => process.env['SPIFFE_ENDPOINT_SOCKET'] || undefined,
};
