/** Tokens for Google's libraries, at a URL that the file names by which they find us. */
import { rmSync } from 'node:fs';
import { externalAccount, type GcpAccount } from '../cloud/gcp.ts';
import { startLocalEndpoint } from '../cloud/local-endpoint.ts';
import { writeFileAtomic } from '../runtime/files.ts';
import { systemRandom as random } from '../runtime/random.ts';
import { WorkloadApiClient } from '../sdk/client.ts';
import { identitiesOf } from './identities.ts';
import { type EndpointOptions, endpointAddress } from './sockets.ts';

export interface GcpServeParts {
  readonly account: Omit<GcpAccount, 'source'>;
  readonly tokenAudience: string;
  readonly spiffeId: string | undefined;
  readonly options: EndpointOptions;
  /** Names the URL and holds the word for it: mode 0600; gone at the end. */
  readonly file: string;
  readonly port: number;
}

export interface GcpServing extends AsyncDisposable {
  readonly variables: { readonly GOOGLE_APPLICATION_CREDENTIALS: string };
}

/**
 * Each question is answered with a token of that moment, so who is not owed it any more has none from then on. Once it resolves
 * there was one: what is not allowed is told to whoever starts it, and not to a program inside.
 */
export async function serveGcp(parts: GcpServeParts): Promise<GcpServing> {
  const { options, tokenAudience: audience, spiffeId, file, port } = parts;
  await using undo = new AsyncDisposableStack();
  const client = undo.use(new WorkloadApiClient({ address: endpointAddress(options) }));
  const identities = identitiesOf(client);
  const body = async (): Promise<string> =>
    (await identities.token({ audience, spiffeId }, AbortSignal.timeout(options.timeout * 1_000))).token;
  await body();
  const word = random.bytes(32).toString('base64url');
  const { url } = undo.use(await startLocalEndpoint({ word, port, path: '/token', type: 'text/plain', body }));
  const source = { kind: 'url', url, headers: { Authorization: word } } as const;
  writeFileAtomic(file, `${JSON.stringify(externalAccount({ ...parts.account, source }), undefined, 2)}\n`, {
    mode: 0o600,
  });
  undo.defer(() => rmSync(file, { force: true }));
  const opened = undo.move();
  return {
    variables: { GOOGLE_APPLICATION_CREDENTIALS: file },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
