/** Where mayfly is found when nobody says otherwise: the server listens here, the command line and the SDK look here. */
export const defaultSockets = {
  /** Every local user may connect; none but the owner may write to its directory. */
  workload: '/run/mayfly/public/api.sock',
  /** Mode 0600, in a directory of its own. */
  admin: '/run/mayfly/admin/admin.sock',
} as const;
