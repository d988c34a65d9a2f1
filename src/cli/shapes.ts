/**
 * The stable JSON of every command, in one place: it types what the commands build, it is printed in docs/commands.md,
 * and the tests hold real output against it.
 */
export type Shape =
  | 'string'
  | 'string | null'
  | 'string | absent'
  | 'number'
  | 'number | null'
  | 'boolean'
  | 'time'
  | 'time | null'
  | 'object'
  | readonly [Shape]
  | { readonly [key: string]: Shape };

interface Leaves {
  string: string;
  'string | null': string | null;
  'string | absent': string | undefined;
  number: number;
  'number | null': number | null;
  boolean: boolean;
  time: string;
  'time | null': string | null;
  object: object;
}

/** The TypeScript type of a document of this shape. */
export type DocumentOf<S> = S extends keyof Leaves
  ? Leaves[S]
  : S extends readonly [infer Item]
    ? readonly DocumentOf<Item>[]
    : { readonly [Key in keyof S]: DocumentOf<S[Key]> };

export const shape = <const S extends Shape>(value: S): S => value;

export const person = shape({
  id: 'string',
  name: 'string',
  email: 'string',
  enabled: 'boolean',
  createdAt: 'time',
  entries: 'number',
});
export const people = shape({ people: [person] });

export const entry = shape({
  id: 'string',
  spiffeId: 'string',
  selectors: ['string'],
  owner: 'string',
  description: 'string',
  x509SvidTtl: 'number',
  jwtSvidTtl: 'number',
  dnsNames: ['string'],
  subject: 'string',
  hint: 'string',
  federatesWith: ['string'],
  audiences: ['string'],
  expiresAt: 'time | null',
  revision: 'number',
  createdAt: 'time',
});
export const entries = shape({ entries: [entry] });
const warning = shape({ entryId: 'string', text: 'string' });
export const createdEntries = shape({ entries: [entry], warnings: [warning] });
export const updatedEntry = shape({ entry, warnings: [warning] });
export const count = shape({ count: 'number' });

export const bundle = shape({ trustDomain: 'string', x509Authorities: ['string'], jwks: 'object', spiffe: 'object' });
/** `sequence` is text: it has 64 bits. */
export const foreignBundle = shape({
  trustDomain: 'string',
  sequence: 'string | null',
  x509Authorities: 'number',
  jwtAuthorities: 'number',
  source: 'string',
  storedAt: 'time',
});
export const published = shape({ published: [{ publisher: 'string', problem: 'string | null' }] });
export const foreignBundles = shape({ bundles: [foreignBundle] });

export const federation = shape({
  trustDomain: 'string',
  endpointUrl: 'string',
  profile: 'string',
  endpointSpiffeId: 'string | null',
  roots: 'string | null',
  privateAddresses: 'boolean',
  createdAt: 'time',
  /** Of the bundle that is believed now; null or 0 where nothing was learned yet. */
  sequence: 'string | null',
  x509Authorities: 'number',
  jwtAuthorities: 'number',
  bundleStoredAt: 'time | null',
  fetchedAt: 'time | null',
  nextPollAt: 'time | null',
  failures: 'number',
  lastError: 'string | null',
});
export const federations = shape({ federations: [federation] });

export const x509Context = shape({
  svids: [
    {
      spiffeId: 'string',
      hint: 'string',
      serial: 'string',
      expiresAt: 'time',
      certificates: ['string'],
      bundle: ['string'],
    },
  ],
  federatedBundles: [{ trustDomain: 'string', x509Authorities: ['string'] }],
  written: 'string | null',
});
export const jwtSvids = shape({
  svids: [{ spiffeId: 'string', hint: 'string', audience: ['string'], expiresAt: 'time', token: 'string' }],
});
export const token = shape({
  spiffeId: 'string',
  audience: 'string',
  expiresAt: 'time',
  token: 'string | null',
  written: 'string | null',
});
/** `state` is fresh, failing, expired or missing; `problem` says why, never with anything secret. */
export const projection = shape({
  file: 'string',
  pid: 'number',
  startedAt: 'time | null',
  files: [
    {
      content: 'string',
      files: ['string'],
      state: 'string',
      spiffeId: 'string | null',
      writtenAt: 'time | null',
      expiresAt: 'time | null',
      failingSince: 'time | null',
      problem: 'string | null',
      writes: 'number',
      failures: 'number',
    },
  ],
});
/** `policy` is what is typed or written at the relying party. */
export const trustPolicy = shape({
  entryId: 'string',
  spiffeId: 'string',
  issuer: 'string | null',
  audience: 'string | null',
  policy: 'string',
});
export const exchanged = shape({
  accessToken: 'string | null',
  written: 'string | null',
  issuedTokenType: 'string | null',
  tokenType: 'string',
  scope: 'string | null',
  expiresAt: 'time | null',
});
/** The formats of others, as they have them: Google's and Kubernetes'. */
export const externalAccount = shape('object');
export const jwks = shape({ keys: ['object'] });
export const gcpServing = shape({ GOOGLE_APPLICATION_CREDENTIALS: 'string' });
export const gcpExecutable = shape('object');
export const execCredential = shape({ apiVersion: 'string', kind: 'string', status: 'object' });
export const bundles = shape({
  bundles: [{ trustDomain: 'string', x509Authorities: ['string'], jwks: 'object' }],
});
export const validatedJwt = shape({ spiffeId: 'string', claims: 'object' });

/** AWS's own format, with its capitals. */
export const awsCredentials = shape({
  Version: 'number',
  AccessKeyId: 'string',
  SecretAccessKey: 'string',
  SessionToken: 'string',
  Expiration: 'string',
  AccountId: 'string | absent',
});
/** AWS's own format; what is in a statement is AWS's language. */
export const awsTrustPolicy = shape({ Version: 'string', Statement: ['object'] });
export const awsServing = shape({
  AWS_CONTAINER_CREDENTIALS_FULL_URI: 'string',
  AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: 'string',
});
export const explanation = shape({
  pid: 'number',
  uid: 'number',
  gid: 'number',
  path: 'string',
  startedAt: 'time | null',
  selectors: ['string'],
  matched: [entry],
  near: [{ entry, reason: 'string', missingSelector: 'string | null', missing: 'number' }],
});

export const records = shape({ records: [{ seq: 'number', at: 'time', kind: 'string', record: 'object' }] });
export const verification = shape({
  ok: 'boolean',
  records: 'number',
  segments: 'number',
  firstBadSeq: 'number | null',
  problem: 'string | null',
  head: 'string',
});
export const archived = shape({ segments: 'number', records: 'number', directory: 'string | null' });

export const authority = shape({
  id: 'string',
  kind: 'string',
  keyType: 'string',
  state: 'string',
  preparedAt: 'time | null',
  activatesAt: 'time | null',
  expiresAt: 'time | null',
  retiredAt: 'time | null',
  taintedAt: 'time | null',
  keyPlace: 'string',
});
export const authorities = shape({ authorities: [authority] });
export const timeline = shape({
  now: 'time',
  until: 'time',
  spans: [
    {
      id: 'string | null',
      kind: 'string',
      state: 'string | null',
      publishedAt: 'time',
      activatesAt: 'time | null',
      retiresAt: 'time | null',
      taintedAt: 'time | null',
      expiresAt: 'time',
      removedAt: 'time',
    },
  ],
});
/** What was done, or with `dryRun` would be; `needs` are the promises that it breaks, each with the option that says so. */
export const order = shape({
  authority: 'string | null',
  dryRun: 'boolean',
  steps: [{ verb: 'string', authority: 'string | null' }],
  needs: [{ force: 'string', because: 'string' }],
  use: { credentials: 'number', spiffeIds: ['string'], streams: 'number', until: 'time | null' },
});
export const status = shape({
  version: 'string',
  trustDomain: 'string',
  socket: 'string',
  startedAt: 'time | null',
  entries: 'number',
  people: 'number',
  openStreams: 'number',
  ledgerRecords: 'number',
});
export const version = shape({ version: 'string', node: 'string', platform: 'string' });
export const completion = shape({ shell: 'string', script: 'string' });
export const configuration = shape({
  trustDomain: 'string | null',
  dataDir: 'string',
  socket: 'string',
  adminSocket: 'string',
  http: 'string | null',
  logLevel: 'string',
  x509SvidTtl: 'number',
  jwtSvidTtl: 'number',
  caTtl: 'number',
  jwtCaTtl: 'number | null',
  caKeyType: 'string',
  jwtKeyType: 'string',
  keys: 'string',
  formerKeys: ['string'],
  upstream: 'string',
  issuer: 'string | null',
  issuerListen: 'string | null',
  issuerCert: 'string | null',
  issuerKey: 'string | null',
  issuerX5c: 'boolean',
  bundleEndpoints: ['object'],
  bundlePublish: ['object'],
  bundlePollFloor: 'number',
  executableHashLimit: 'number',
  ledgerSegmentBytes: 'number',
});
export const reloaded = shape({ changed: ['string'], needRestart: ['string'] });
export const revocation = shape({
  serial: 'string | null',
  jti: 'string | null',
  spiffeId: 'string',
  owner: 'string',
  authority: 'string',
  reason: 'string',
  revokedAt: 'time',
  expiresAt: 'time',
});
export const revocations = shape({ revocations: [revocation] });
export const nothing = shape({});
export const failure = shape({ error: { code: 'string', message: 'string', advice: 'string' } });
