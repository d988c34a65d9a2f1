/** Who a bundle endpoint is to those who ask it. Two kinds: file-identity.ts and svid-identity.ts. */
import type { Watch } from '../runtime/watch.ts';

/** What `node:tls` calls them, in PEM. */
export interface KeyAndCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface EndpointIdentity {
  readonly current: Watch<KeyAndCertificate>;
  /** Why it is not renewed; the last one is shown until its end. */
  readonly problem: string | undefined;
  /** Looks at once, where there is something to look at. */
  reread(): void;
  close(): void;
}
