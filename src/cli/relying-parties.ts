/**
 * What is known of how long relying parties outside SPIFFE believe a key that is gone, as seen in runs of those that can
 * be run. Where nobody says, the answer is that nobody says.
 */
export interface KeyMemory {
  readonly name: string;
  /** In words. */
  readonly accepts: string;
  /** When that ends by itself at the latest; undefined where it does not, or nobody says. */
  readonly until: number | undefined;
}

export interface KeyMemoryFacts {
  readonly now: number;
  /** For how long a cache may keep our key set. */
  readonly maxAgeMs: number;
  /** At which other trust domains poll our bundle. */
  readonly refreshHintMs: number;
}

const minute = 60_000;

export function keyMemories({ now, maxAgeMs, refreshHintMs }: KeyMemoryFacts): readonly KeyMemory[] {
  const cached = now + maxAgeMs;
  return [
    memory('SPIFFE workloads here', 'nothing: the bundle without the key has reached them', now),
    memory('other trust domains', 'what the key signed, until they poll our bundle again', now + refreshHintMs),
    memory(
      'Kubernetes (kube-apiserver)',
      'what the key signed, until a token by a new key is shown to it and max-age is nearly over; answers of 10 s besides',
      cached + 10_000,
    ),
    memory(
      'go-oidc (Dex, oauth2-proxy, …)',
      'what the key signed, until a token by a new key is shown to it: show it one now',
      undefined,
    ),
    memory('Vault, OpenBao', 'what the key signed, until a login with a token by a new key: log in now', undefined),
    memory('MinIO', 'what the key signed, until it is restarted: it never drops a key', undefined),
    memory('Ceph RGW', 'nothing: it fetches the keys for each call', now),
    memory(
      'Apache mod_auth_openidc',
      'what the key signed, until its own cache ends (1 h by default)',
      now + 60 * minute,
    ),
    memory(
      'oidc-provider (Node)',
      'what the key signed, for max-age and at least a minute',
      Math.max(cached, now + minute),
    ),
    memory('jose (Node)', 'what the key signed, for ten minutes', now + 10 * minute),
    memory(
      'AWS, Google Cloud, Entra',
      'nobody says: between nothing and 10 minutes was measured, and a day is what careful people wait; ' +
        'where that is too long, take the trust policy back there',
      undefined,
    ),
    memory(
      'whoever was given keys as a file (Google Cloud upload, Databricks, OpenAI, Anthropic, a bucket)',
      'what the key signed, until the file is replaced: mayfly oidc export DIR, then upload',
      undefined,
    ),
    memory(
      'credentials that were obtained already',
      'live to their own end: revoke sessions there (AWS: revoke older sessions of the role; Vault: revoke leases)',
      undefined,
    ),
  ];
}

const memory = (name: string, accepts: string, until: number | undefined): KeyMemory => ({ name, accepts, until });
