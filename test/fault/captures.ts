/** What a workload writes down: one line for each thing it was given. Bytes are base64. */
export interface Mark {
  /** By the real clock, whatever the issuer's says. */
  readonly at: number;
  readonly pid: number;
  readonly uid: number;
}

export interface CapturedSvid {
  readonly id: string;
  readonly hint: string;
  readonly chain: string;
  readonly key: string;
  readonly bundle: string;
}

export type Capture = Mark &
  (
    | { readonly kind: 'x509'; readonly svids: readonly CapturedSvid[] }
    | {
        readonly kind: 'jwt';
        readonly audience: readonly string[];
        readonly tokens: readonly { readonly id: string; readonly token: string }[];
      }
    | { readonly kind: 'x509-bundles' | 'jwt-bundles'; readonly bundles: Readonly<Record<string, string>> }
    /** How a call ended; '' where the connection broke. */
    | { readonly kind: 'status'; readonly method: string; readonly code: string }
  );
