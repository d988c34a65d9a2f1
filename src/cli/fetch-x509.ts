import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { storageError, writeFileAtomic } from '../runtime/files.ts';
import type { FetchedX509Svid, X509Context } from '../sdk/x509-context.ts';
import { SpiffeId } from '../spiffe/id.ts';
import { asked, watched } from './endpoint.ts';
import type { Answer } from './leaf.ts';
import { certificatePem, serialOf } from './pem.ts';
import type * as shapes from './shapes.ts';
import type { DocumentOf } from './shapes.ts';
import type { EndpointOptions } from './sockets.ts';
import { facts, moment } from './text.ts';

interface Options extends EndpointOptions {
  readonly write?: string;
  readonly json?: boolean;
}

type X509Document = DocumentOf<typeof shapes.x509Context>;

export const fetchX509 = (options: Options): Promise<Answer> =>
  asked(options, async (client, signal) => answerTo(await client.fetchX509Context({ signal }), options));

export const watchX509 = (options: Options): AsyncIterable<Answer> =>
  watched(options, async function* (client, onError) {
    for await (const context of client.watchX509Context({ onError })) yield answerTo(context, options);
  });

function answerTo(context: X509Context, { write }: Options): Answer {
  const written = write === undefined ? null : resolve(write);
  if (written !== null) writeFirst(context, written);
  const document = documentOf(context, written);
  const blocks = document.svids.map(svidText).join('\n');
  const where = written === null ? '' : `\nThe first is in ${written}: svid.pem, key.pem, bundle.pem\n`;
  return { document, text: `${blocks}${where}` };
}

/** The certificate comes last: who waits for it to change finds its key and bundle there. */
function writeFirst({ svids: [svid], bundles }: X509Context, directory: string): void {
  if (svid === undefined) return;
  makeDirectory(directory);
  const bundle = bundles.get(SpiffeId.trustDomain(svid.id)) ?? [];
  const key = svid.privateKey.export({ type: 'pkcs8', format: 'pem' });
  writeFileAtomic(join(directory, 'bundle.pem'), bundle.map(certificatePem).join(''), { mode: 0o644 });
  writeFileAtomic(join(directory, 'key.pem'), key, { mode: 0o600 });
  writeFileAtomic(join(directory, 'svid.pem'), svid.certificates.map(certificatePem).join(''), { mode: 0o644 });
}

function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw storageError(error, `cannot create the directory ${path}`);
  }
}

function documentOf({ svids, bundles }: X509Context, written: string | null): X509Document {
  const own = new Set(svids.map((svid) => SpiffeId.trustDomain(svid.id)));
  const federated = [...bundles].filter(([trustDomain]) => !own.has(trustDomain));
  return {
    svids: svids.map((svid) => svidDocument(svid, bundles.get(SpiffeId.trustDomain(svid.id)) ?? [])),
    federatedBundles: federated.map(([trustDomain, authorities]) => ({
      trustDomain,
      x509Authorities: authorities.map(certificatePem),
    })),
    written,
  };
}

const svidDocument = (svid: FetchedX509Svid, bundle: readonly Buffer[]): X509Document['svids'][number] => ({
  spiffeId: svid.id,
  hint: svid.hint,
  serial: serialOf(svid.certificates[0]),
  expiresAt: new Date(svid.notAfter).toISOString(),
  certificates: svid.certificates.map(certificatePem),
  bundle: bundle.map(certificatePem),
});

const svidText = ({ spiffeId, hint, serial, expiresAt }: X509Document['svids'][number]): string =>
  facts([
    ['SPIFFE ID', spiffeId],
    ['hint', hint],
    ['serial', serial],
    ['expires', moment(expiresAt)],
  ]);
