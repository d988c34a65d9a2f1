/** Every parser of foreign bytes, what of `src/` it is made of, and where its target is. Loaded only when it is run. */
import type { Target } from './engine/target.ts';

export interface TargetEntry {
  /** Files below src/, or directories with a slash at the end, whose code counts. */
  readonly covers: readonly string[];
  load(): Promise<Target>;
}

const ids = () => import('./targets/ids.ts');
const entries = () => import('./targets/entries.ts');
const tokens = () => import('./targets/tokens.ts');
const bundles = () => import('./targets/bundles.ts');
const certificates = () => import('./targets/certificates.ts');
const wire = () => import('./targets/wire.ts');
const admin = () => import('./targets/admin.ts');
const settings = () => import('./targets/settings.ts');
const ledger = () => import('./targets/ledger.ts');
const oidc = () => import('./targets/oidc.ts');
const cloud = () => import('./targets/cloud.ts');
const aws = () => import('./targets/aws.ts');
const registry = () => import('./targets/registry.ts');

const jws = [
  'spiffe/jwt-token.ts',
  'spiffe/jwt-svid.ts',
  'spiffe/jws-algorithms.ts',
  'spiffe/base64.ts',
  'spiffe/json.ts',
];
const x509 = ['certificate', 'der', 'extensions', 'general-name', 'oid', 'public-key', 'time'].map(
  (name) => `x509/${name}.ts`,
);
const files = ['chain', 'verify', 'recover', 'scan', 'segment', 'head', 'record', 'anchor'].map(
  (name) => `ledger/${name}.ts`,
);
const rows = ['database', 'load', 'rows', 'schema', 'seal', 'store'].map((name) => `registry/${name}.ts`);

export const targets: Readonly<Record<string, TargetEntry>> = {
  'spiffe-id': { covers: ['spiffe/id.ts'], load: async () => (await ids()).spiffeId },
  'trust-domain': { covers: ['spiffe/id.ts'], load: async () => (await ids()).trustDomain },
  selector: { covers: ['spiffe/selector.ts', 'spiffe/text.ts'], load: async () => (await ids()).selector },
  'entry-wire': { covers: ['spiffe/entry.ts', 'server/wire.ts'], load: async () => (await entries()).entryWire },
  'entry-draft': { covers: ['cli/entry-draft.ts', 'cli/moment.ts'], load: async () => (await entries()).entryDraft },
  'entry-file': { covers: ['cli/entry-file.ts', 'cli/entry-yaml.ts'], load: async () => (await entries()).entryFile },
  audience: {
    covers: ['spiffe/audience.ts', 'spiffe/claims.ts', 'spiffe/template.ts'],
    load: async () => (await oidc()).audience,
  },
  'issuer-url': { covers: ['spiffe/issuer.ts'], load: async () => (await oidc()).issuerUrl },
  'token-answer': { covers: ['cloud/fault.ts', 'cloud/oauth.ts'], load: async () => (await cloud()).tokenAnswer },
  projection: {
    covers: ['cloud/projection.ts', 'runtime/yaml-record.ts', 'runtime/yaml.ts'],
    load: async () => (await cloud()).projection,
  },
  'cloud-names': { covers: ['cloud/gcp.ts', 'cloud/kubernetes.ts'], load: async () => (await cloud()).cloudNames },
  'jwt-svid': { covers: jws, load: async () => (await tokens()).jwtSvid },
  'jwt-payload': { covers: jws, load: async () => (await tokens()).jwtPayload },
  json: { covers: ['spiffe/json.ts'], load: async () => (await bundles()).json },
  jwks: { covers: ['spiffe/jwk.ts', 'spiffe/bundle.ts'], load: async () => (await bundles()).jwks },
  bundle: { covers: ['spiffe/jwk.ts', 'spiffe/bundle.ts'], load: async () => (await bundles()).bundle },
  'bundle-map': { covers: ['spiffe/bundle-map.ts'], load: async () => (await bundles()).bundleMap },
  certificate: { covers: x509, load: async () => (await certificates()).certificate },
  'certificate-request': {
    covers: ['x509/request.ts'],
    load: async () => (await certificates()).certificateRequest,
  },
  'certificate-list': { covers: ['x509/certificate.ts'], load: async () => (await certificates()).certificateList },
  crl: { covers: ['x509/crl.ts'], load: async () => (await certificates()).crl },
  'public-key': { covers: ['x509/public-key.ts', 'x509/roca.ts'], load: async () => (await certificates()).publicKey },
  'x509-svid': { covers: [...x509, 'spiffe/x509-svid.ts'], load: async () => (await certificates()).x509Svid },
  'x509-signed': {
    covers: ['spiffe/x509-svid.ts', 'x509/path.ts', 'x509/name-constraints.ts', 'x509/extensions.ts'],
    load: async () => (await certificates()).x509Signed,
  },
  pem: { covers: ['x509/pem.ts'], load: async () => (await certificates()).pem },
  'grpc-frames': { covers: ['runtime/grpc-frames.ts'], load: async () => (await wire()).grpcFrames },
  'grpc-timeout': { covers: ['runtime/grpc-frames.ts'], load: async () => (await wire()).grpcTimeout },
  'grpc-connection': {
    covers: ['runtime/grpc-server.ts', 'runtime/grpc-call.ts', 'runtime/grpc-frames.ts'],
    load: async () => (await wire()).grpcConnection(),
  },
  'grpc-messages': { covers: ['gen/'], load: async () => (await wire()).grpcMessages },
  'sdk-answers': {
    covers: ['sdk/answer.ts', 'sdk/x509-context.ts', 'sdk/jwt-answers.ts'],
    load: async () => (await wire()).sdkAnswers,
  },
  'admin-requests': {
    covers: ['server/', 'registry/live-registry.ts'],
    load: async () => (await admin()).adminRequests(),
  },
  config: { covers: ['config.ts'], load: async () => (await settings()).config },
  'duration-moment': {
    covers: ['runtime/duration.ts', 'cli/moment.ts', 'cli/number.ts'],
    load: async () => (await settings()).durations,
  },
  endpoint: { covers: ['sdk/endpoint.ts'], load: async () => (await settings()).endpoint },
  'proc-text': { covers: ['runtime/proc-text.ts'], load: async () => (await settings()).procText },
  accounts: { covers: ['attest/accounts.ts'], load: async () => (await settings()).accounts },
  'ledger-line': { covers: ['ledger/chain.ts', 'ledger/record.ts'], load: async () => (await ledger()).ledgerLine },
  'ledger-files': { covers: files, load: async () => (await ledger()).ledgerFiles() },
  journal: { covers: ['authority/journal.ts'], load: async () => (await ledger()).journal },
  xml: { covers: ['cloud/xml.ts'], load: async () => (await aws()).xml },
  'sts-answer': {
    covers: ['cloud/xml.ts', 'cloud/aws-sts.ts', 'cloud/aws.ts'],
    load: async () => (await aws()).stsAnswer,
  },
  'relying-fault': { covers: ['cloud/fault.ts'], load: async () => (await aws()).relyingFault },
  'roles-anywhere-answer': {
    covers: ['cloud/aws-roles-anywhere.ts', 'cloud/aws.ts'],
    load: async () => (await aws()).rolesAnywhereAnswer,
  },
  registry: { covers: rows, load: async () => (await registry()).registryFile() },
};
