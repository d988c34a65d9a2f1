import { type Command, Option } from 'commander';
import { IdentityError } from '../errors.ts';
import type { Admin } from './admin.ts';
import { adminLeaf } from './admin-leaf.ts';
import { type ForeignBundleDocument, foreignBundleDocument, textOrNull } from './documents.ts';
import { certificatePem } from './pem.ts';
import * as shapes from './shapes.ts';
import { moment, plural, table } from './text.ts';

type Format = 'pem' | 'jwks' | 'spiffe';

export function define(bundle: Command): void {
  show(bundle.command('show [trust-domain]'));
  set(bundle.command('set <trust-domain>'));
  list(bundle.command('list'));
  remove(bundle.command('delete <trust-domain>'));
  publish(bundle.command('publish'));
}

function show(command: Command): void {
  const formats = 'X.509 authorities, JWT keys, or both as a SPIFFE bundle';
  command.addOption(new Option('--format <format>', formats).choices(['pem', 'jwks', 'spiffe']).default('pem'));
  adminLeaf<[trustDomain: string | undefined], { format: Format }>(command, {
    does: 'print the trust bundle: what others need to believe what mayfly signs',
    about: 'With the name of a foreign trust domain, the bundle by which that one is believed here.',
    prints: shapes.bundle,
    examples: ['mayfly bundle show > bundle.pem', 'mayfly bundle show --format jwks'],
    ask: async (admin, [name], { format }) => {
      const { trustDomain, x509Authorities, jwks, spiffe } = await bundleOf(admin, name);
      const certificates = x509Authorities.map(certificatePem);
      const document = {
        trustDomain,
        x509Authorities: certificates,
        jwks: JSON.parse(jwks) as object,
        spiffe: JSON.parse(spiffe) as object,
      };
      const texts: Record<Format, string> = { pem: certificates.join(''), jwks: `${jwks}\n`, spiffe: `${spiffe}\n` };
      return { document, text: texts[format] };
    },
  });
}

const bundleOf = (admin: Admin, trustDomain: string | undefined) =>
  trustDomain === undefined
    ? admin.ask(admin.client.getBundle, {})
    : admin.ask(admin.client.getForeignBundle, { trustDomain });

function set(command: Command): void {
  command.requiredOption('--file <path>', 'a SPIFFE bundle (JSON), or X.509 authorities (PEM); - is standard input');
  adminLeaf<[trustDomain: string], { file: string }>(command, {
    does: 'say what the bundle of a foreign trust domain is',
    about:
      'Workloads whose entries federate with it have it at once. Where there is a federation with that trust domain, it ' +
      'stands until the next fetch and is what an https_spiffe endpoint is first judged by.',
    prints: shapes.foreignBundle,
    examples: ['mayfly bundle set partner.example --file partner.json'],
    ask: async (admin, [trustDomain], { file }) => {
      const { readBundleFile } = await import('./bundle-file.ts');
      const bundle = await readBundleFile(trustDomain, file);
      const stored = foreignBundleDocument(await admin.ask(admin.client.setForeignBundle, { trustDomain, bundle }));
      return { document: stored, text: `The bundle of ${stored.trustDomain} has ${contents(stored)}.\n` };
    },
  });
}

function list(command: Command): void {
  adminLeaf(command, {
    does: 'list the bundles of foreign trust domains, fetched or brought',
    prints: shapes.foreignBundles,
    ask: async (admin) => {
      const bundles = (await admin.collect(admin.client.listForeignBundles, {})).map(foreignBundleDocument);
      return { document: { bundles }, text: bundleTable(bundles) };
    },
  });
}

function remove(command: Command): void {
  adminLeaf<[trustDomain: string], object>(command, {
    does: 'forget the bundle of a foreign trust domain: nobody there is believed any more',
    about: 'Where there is a federation with that trust domain, the next fetch brings it back: delete that instead.',
    prints: shapes.foreignBundle,
    ask: async (admin, [trustDomain]) => {
      const gone = foreignBundleDocument(await admin.ask(admin.client.deleteForeignBundle, { trustDomain }));
      return { document: gone, text: `Deleted the bundle of ${gone.trustDomain}.\n` };
    },
  });
}

function publish(command: Command): void {
  adminLeaf(command, {
    does: 'put our bundle, now, where the setting bundle_publish says',
    about: 'It is put there on every change, too, and again where that failed.',
    prints: shapes.published,
    ask: async (admin) => {
      const answer = await admin.ask(admin.client.publishBundle, {});
      const published = answer.published.map(({ publisher, problem }) => ({ publisher, problem: textOrNull(problem) }));
      const failed = published.filter(({ problem }) => problem !== null);
      const failure = new IdentityError('unavailable', `${plural(failed.length, 'place')} could not be reached`);
      const lines = published.map(({ publisher, problem }) => [publisher, problem ?? 'published']);
      const text = published.length === 0 ? nowhere : table(['PLACE', 'STATE'], lines);
      return { document: { published }, text, ...(failed.length === 0 ? {} : { failure }) };
    },
  });
}

const nowhere = 'The setting bundle_publish names no place.\n';

const contents = ({ x509Authorities, jwtAuthorities }: ForeignBundleDocument): string =>
  `${plural(x509Authorities, 'X.509 authority', 'X.509 authorities')} and ${plural(jwtAuthorities, 'JWT key')}`;

function bundleTable(bundles: readonly ForeignBundleDocument[]): string {
  if (bundles.length === 0) return 'There is no foreign bundle yet. Federate: mayfly federation create --help\n';
  const rows = bundles.map((b) => [
    b.trustDomain,
    b.sequence ?? '',
    String(b.x509Authorities),
    String(b.jwtAuthorities),
    b.source,
    moment(b.storedAt),
  ]);
  return table(['TRUST DOMAIN', 'SEQUENCE', 'X.509 AUTHORITIES', 'JWT KEYS', 'SOURCE', 'STORED'], rows);
}
