/** The few variables that mayfly honours. Nothing else reads the environment. */
export const environment = {
  adminSocket: (): string | undefined => process.env['MAYFLY_ADMIN_SOCKET'] || undefined,
  /** For mayfly's own tests, see failpoint.ts. */
  failpoints: (): string | undefined => process.env['MAYFLY_FAILPOINTS'],
  /** What Node itself obeys. */
  nodeOptions: (): string => process.env['NODE_OPTIONS'] ?? '',
  endpointSocket: (): string | undefined => process.env['SPIFFE_ENDPOINT_SOCKET'] || undefined,
};
