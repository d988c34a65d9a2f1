import { type Command, Option } from 'commander';
import { IdentityError } from '../errors.ts';
import type { Federation } from '../gen/mayfly/admin/v1/admin.ts';
import type { Admin } from './admin.ts';
import { adminLeaf } from './admin-leaf.ts';
import { type FederationDocument, federationDocument } from './documents.ts';
import { CommandError } from './failure.ts';
import { lintCommand } from './federation-lint.ts';
import * as shapes from './shapes.ts';
import { facts, moment, plural, table } from './text.ts';

interface Flags {
  readonly url?: string;
  readonly profile?: string;
  readonly endpointSpiffeId?: string;
  readonly roots?: string;
  readonly publicRoots?: boolean;
  readonly privateAddresses?: boolean;
}

export function define(federation: Command): void {
  create(federation.command('create <trust-domain>'));
  show(federation.command('show <trust-domain>'));
  list(federation.command('list'));
  update(federation.command('update <trust-domain>'));
  remove(federation.command('delete <trust-domain>'));
  refresh(federation.command('refresh <trust-domain>'));
  lintCommand(federation.command('lint'));
}

const flags = (command: Command): Command =>
  command
    .option('--url <url>', 'its bundle endpoint, https')
    .addOption(new Option('--profile <profile>', 'who vouches for the endpoint').choices(['https_web', 'https_spiffe']))
    .option('--endpoint-spiffe-id <id>', 'https_spiffe: the SPIFFE ID that the endpoint has')
    .option('--roots <file>', 'https_web: believe these authorities (PEM) instead of the public ones');

function create(command: Command): void {
  flags(command)
    .option('--private-addresses', 'let the endpoint have a private or a loopback address')
    .option('--bundle-file <path>', 'its bundle to begin with, SPIFFE or PEM; https_spiffe needs one; - is stdin');
  adminLeaf<[trustDomain: string], Flags & { bundleFile?: string }>(command, {
    does: 'believe a foreign trust domain, and keep its bundle fresh from its bundle endpoint',
    about:
      'Workloads get its bundle where their entry says so (`entry create --federates-with`). The endpoint is asked at ' +
      'once; where that fails, the federation stands and is tried again.',
    prints: shapes.federation,
    examples: [
      'mayfly federation create partner.example --url https://partner.example/bundle --profile https_web',
      'mayfly federation create partner.example --url https://10.0.0.7:8443/ --profile https_spiffe --endpoint-spiffe-id spiffe://partner.example/mayfly/bundle-endpoint --bundle-file partner.json --private-addresses',
    ],
    ask: async (admin, [trustDomain], options) => {
      if (options.url === undefined || options.profile === undefined) throw missing();
      const { readBundleFile } = await import('./bundle-file.ts');
      const bundle = options.bundleFile === undefined ? '' : await readBundleFile(trustDomain, options.bundleFile);
      const federation = await federationOf(trustDomain, options);
      await admin.ask(admin.client.createFederation, { federation, bundle });
      const warnings = await tried(admin, trustDomain);
      const document = federationDocument(await admin.ask(admin.client.getFederation, { trustDomain }));
      return { document, text: oneFederation(document), warnings };
    },
  });
}

/** The federation stands, whatever its endpoint says now. */
async function tried(admin: Admin, trustDomain: string): Promise<string[]> {
  try {
    await admin.ask(admin.client.refreshFederation, { trustDomain });
    return [];
  } catch (error) {
    if (error instanceof IdentityError) return [`its bundle endpoint was asked: ${error.message}`];
    throw error;
  }
}

function show(command: Command): void {
  adminLeaf<[trustDomain: string], object>(command, {
    does: 'show one federation and how fresh its bundle is',
    prints: shapes.federation,
    ask: async (admin, [trustDomain]) => {
      const document = federationDocument(await admin.ask(admin.client.getFederation, { trustDomain }));
      return { document, text: oneFederation(document) };
    },
  });
}

function list(command: Command): void {
  adminLeaf(command, {
    does: 'list the foreign trust domains that are believed, and how fresh their bundles are',
    prints: shapes.federations,
    ask: async (admin) => {
      const federations = (await admin.collect(admin.client.listFederations, {})).map(federationDocument);
      return { document: { federations }, text: federationTable(federations) };
    },
  });
}

function update(command: Command): void {
  flags(command)
    .option('--public-roots', 'https_web: believe the public authorities again')
    .option('--private-addresses', 'let the endpoint have a private or a loopback address')
    .option('--no-private-addresses', 'let it have a public address only');
  adminLeaf<[trustDomain: string], Flags>(command, {
    does: 'change what the options name; the rest stays, the bundle too',
    prints: shapes.federation,
    examples: ['mayfly federation update partner.example --url https://bundles.partner.example/'],
    ask: async (admin, [trustDomain], options) => {
      const federation = await federationOf(trustDomain, options);
      const fields = namedFields(options);
      if (fields.length === 0) throw nothingNamed();
      const updated = await admin.ask(admin.client.updateFederation, { federation, fields });
      const document = federationDocument(updated);
      return { document, text: oneFederation(document) };
    },
  });
}

function remove(command: Command): void {
  adminLeaf<[trustDomain: string], object>(command, {
    does: 'stop believing a foreign trust domain: workloads lose its bundle at once',
    prints: shapes.federation,
    ask: async (admin, [trustDomain]) => {
      const document = federationDocument(await admin.ask(admin.client.deleteFederation, { trustDomain }));
      return { document, text: `Deleted the federation with ${document.trustDomain}, and its bundle.\n` };
    },
  });
}

function refresh(command: Command): void {
  adminLeaf<[trustDomain: string], object>(command, {
    does: 'ask the bundle endpoint now',
    prints: shapes.federation,
    ask: async (admin, [trustDomain]) => {
      const document = federationDocument(await admin.ask(admin.client.refreshFederation, { trustDomain }));
      return { document, text: oneFederation(document) };
    },
  });
}

/** A change to https_web leaves the endpoint's SPIFFE ID behind, one to https_spiffe the roots. */
function namedFields(options: Flags): string[] {
  const { url, profile, endpointSpiffeId, roots, publicRoots, privateAddresses } = options;
  return [
    ...(url === undefined ? [] : ['endpoint_url']),
    ...(profile === undefined ? [] : ['profile']),
    ...(endpointSpiffeId === undefined && profile !== 'https_web' ? [] : ['endpoint_spiffe_id']),
    ...(roots === undefined && publicRoots !== true && profile !== 'https_spiffe' ? [] : ['roots']),
    ...(privateAddresses === undefined ? [] : ['private_addresses']),
  ];
}

const federationOf = async (trustDomain: string, options: Flags): Promise<Federation> => ({
  trustDomain,
  endpointUrl: options.url ?? '',
  profile: options.profile ?? '',
  endpointSpiffeId: options.endpointSpiffeId ?? '',
  roots: options.roots === undefined ? '' : await (await import('./bundle-file.ts')).readLimited(options.roots),
  privateAddresses: options.privateAddresses ?? false,
  createdAt: undefined,
  bundle: undefined,
  fetchedAt: undefined,
  nextPollAt: undefined,
  failures: 0,
  lastError: '',
});

const oneFederation = (federation: FederationDocument): string =>
  facts([
    ['trust domain', federation.trustDomain],
    ['endpoint', federation.endpointUrl],
    ['profile', federation.profile],
    ['its SPIFFE ID', federation.endpointSpiffeId ?? ''],
    ['roots', federation.profile === 'https_spiffe' ? '' : federation.roots === null ? 'public' : 'given'],
    ['addresses', federation.privateAddresses ? 'private ones too' : 'public ones only'],
    ['bundle', known(federation)],
    ['fetched', moment(federation.fetchedAt)],
    ['next fetch', moment(federation.nextPollAt)],
    ['last error', failing(federation)],
  ]);

function known({ bundleStoredAt, sequence, x509Authorities, jwtAuthorities }: FederationDocument): string {
  if (bundleStoredAt === null) return 'none is known yet';
  const number = sequence === null ? '' : `, sequence ${sequence}`;
  const keys = `${plural(x509Authorities, 'X.509 authority', 'X.509 authorities')}, ${plural(jwtAuthorities, 'JWT key')}`;
  return `${keys}${number}, of ${moment(bundleStoredAt)}`;
}

const failing = ({ lastError, failures }: FederationDocument): string =>
  lastError === null ? '' : `${lastError} (${plural(failures, 'failure')} in a row)`;

function federationTable(federations: readonly FederationDocument[]): string {
  if (federations.length === 0) return 'There is no federation yet. See: mayfly federation create --help\n';
  const rows = federations.map((f) => [
    f.trustDomain,
    f.profile,
    f.bundleStoredAt === null ? 'none' : (f.sequence ?? 'known'),
    moment(f.fetchedAt),
    f.lastError === null ? 'ok' : `failing: ${f.lastError}`,
  ]);
  return table(['TRUST DOMAIN', 'PROFILE', 'BUNDLE', 'FETCHED', 'STATE'], rows);
}

const missing = (): CommandError =>
  new CommandError(
    'invalid-argument',
    'a federation needs --url and --profile',
    '`mayfly federation create --help` shows what it takes; neither follows from the other.',
  );

const nothingNamed = (): CommandError =>
  new CommandError(
    'invalid-argument',
    'no option says what to change',
    '`mayfly federation update --help` shows what can be changed.',
  );
