import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import type { IssuerDocument } from '../gen/mayfly/admin/v1/admin.ts';
import { storageError, writeFileAtomic } from '../runtime/files.ts';
import { adminLeaf } from './admin-leaf.ts';
import * as shapes from './shapes-oidc.ts';
import { facts } from './text.ts';

export function define(oidc: Command): void {
  show(oidc.command('show'));
  exportTo(oidc.command('export <directory>'));
}

function show(command: Command): void {
  adminLeaf(command, {
    does: 'show what relying parties find: issuer, discovery and keys',
    prints: shapes.issuer,
    ask: async (admin) => {
      const { issuer, address, documents } = await admin.ask(admin.client.getIssuer, {});
      const document = {
        issuer,
        address: address === '' ? null : address,
        documents: documents.map(({ path, content }) => ({ path, content: JSON.parse(content.toString()) as object })),
      };
      const keys = documents.find(({ path }) => path.endsWith('/keys'))?.content.toString() ?? '{"keys":[]}';
      return { document, text: shown(issuer, address, (JSON.parse(keys) as KeySet).keys) };
    },
  });
}

interface KeySet {
  readonly keys: readonly { readonly alg: string; readonly kid: string }[];
}

const shown = (issuer: string, address: string, keys: KeySet['keys']): string =>
  facts([
    ['issuer', issuer],
    ['served at', address === '' ? 'nowhere: mayfly oidc export' : address],
    ...keys.map(({ alg, kid }, index): [string, string] => [index === 0 ? 'keys' : ' ', `${alg} ${kid}`]),
  ]);

function exportTo(command: Command): void {
  adminLeaf<[directory: string], object>(command, {
    does: 'write discovery and keys as files, for a bucket or a web server under the URL of the issuer',
    about:
      'Paths are those below the host of the URL; serve them as application/json. Export again at least once a day: a ' +
      'key is published for that long before it signs. keys.gcp.json is what an upload to Google Cloud takes.',
    prints: shapes.exported,
    examples: ['mayfly oidc export ./site'],
    ask: async (admin, [directory]) => {
      const { issuer, documents } = await admin.ask(admin.client.getIssuer, {});
      const files = documents.map((document) => write(resolve(directory), document));
      return { document: { issuer, files }, text: files.map((file) => `${file}\n`).join('') };
    },
  });
}

/** `/keys?for=gcp` is a file of its own, `keys.gcp.json`: buckets know no queries. */
const fileOf = (path: string): string => path.replace(/\?for=(\w+)$/, '.$1.json');

/** Whoever reads meanwhile finds the old file or the new one, whole. @returns where it is */
function write(directory: string, { path, content }: IssuerDocument): string {
  const file = join(directory, fileOf(path));
  try {
    mkdirSync(dirname(file), { recursive: true });
  } catch (error) {
    throw storageError(error, `cannot make ${dirname(file)}`);
  }
  writeFileAtomic(file, content, { mode: 0o644 });
  return file;
}
