import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { clientAssertion } from '../cloud/assertion.ts';
import type { ClientKey } from '../cloud/client-key.ts';
import { askRelyingParty } from '../cloud/http.ts';
import { checkPair, type ObtainedToken, readToken, type TokenQuestion, tokenRequest } from '../cloud/oauth.ts';
import { certificatesPem, keyFile } from '../cloud/pem.ts';
import { checkedUrl } from '../cloud/relying-url.ts';
import { IdentityError } from '../errors.ts';
import { systemClock } from '../runtime/clock.ts';
import { formatDuration } from '../runtime/duration.ts';
import { storageError, writeFileAtomic } from '../runtime/files.ts';
import { systemRandom } from '../runtime/random.ts';
import type { WorkloadApiClient } from '../sdk/client.ts';
import type { ExchangeIntent } from '../sdk/exchanges.ts';
import { clientKeyIn } from './config-client-key.ts';
import { asked } from './endpoint.ts';
import type { ExchangeOptions } from './exchange.ts';
import type { Answer } from './leaf.ts';
import { serialOf } from './pem.ts';
import { moment } from './text.ts';

interface Obtained {
  readonly token: ObtainedToken;
  readonly svidExpiresAt: number;
}

export async function exchange(options: ExchangeOptions): Promise<Answer> {
  checkedUrl(options.tokenEndpoint);
  checkPair(options.grant, options.clientAuth);
  const ca = options.caBundle === undefined ? undefined : authorities(options.caBundle);
  const clientKey = await registeredKey(options);
  const { token, svidExpiresAt } = await asked(options, async (client, signal) => {
    const { question, svid, expiresAt } = await questionOf(client, options, clientKey, signal);
    const role = options.forAudience ?? options.resource[0] ?? options.scope ?? '';
    const intent = { svid, target: `oauth-${options.grant}`, endpoint: options.tokenEndpoint, role };
    return obtain(client, { ...question, ca }, intent, expiresAt, signal);
  });
  return answerOf(token, svidExpiresAt, options);
}

async function obtain(
  { exchanges }: WorkloadApiClient,
  question: TokenQuestion,
  intent: ExchangeIntent,
  svidExpiresAt: number,
  signal: AbortSignal,
): Promise<Obtained> {
  const { token } = await exchanges.record(
    intent,
    async () => {
      const answer = await askRelyingParty(tokenRequest(question), signal);
      const token = readToken(answer, question, systemClock.now());
      return { token, gain: token.expiresAt === undefined ? {} : { expiresAt: token.expiresAt } };
    },
    signal,
  );
  return { token, svidExpiresAt };
}

interface Proof {
  readonly question: TokenQuestion;
  readonly svid: ExchangeIntent['svid'];
  readonly expiresAt: number;
}

/** Each of the ways takes one SVID: that is the one on record. */
async function questionOf(
  client: WorkloadApiClient,
  options: ExchangeOptions,
  clientKey: ClientKey | undefined,
  signal: AbortSignal,
): Promise<Proof> {
  const { grant, clientAuth, audience, forAudience, resource: resources, scope, requestedTokenType } = options;
  const asked = {
    endpoint: options.tokenEndpoint,
    grant,
    clientAuth,
    audience: forAudience,
    resources,
    scope,
    requestedTokenType,
  };
  const bound = clientAuth === 'private-key-jwt' || clientAuth === 'tls';
  const needsToken = grant !== 'client-credentials' || !bound;
  const jwt = needsToken ? await jwtOf(client, options, signal) : undefined;
  const x509 = bound ? await x509Of(client, options, signal) : undefined;
  const certificates = clientKey === undefined ? (x509?.certificates ?? []) : [];
  const [clientId, token] = [clientIdOf(options, jwt?.id ?? x509?.id), jwt?.token];
  const assertion =
    clientAuth === 'private-key-jwt' && x509 !== undefined
      ? await clientAssertion(
          { clientId: clientId ?? '', audience, ...(clientKey ?? { key: x509.privateKey }), certificates },
          systemClock.now(),
          systemRandom.uuid(),
        )
      : token;
  const tls = clientAuth === 'tls' && x509 !== undefined;
  const shown = tls
    ? {
        client: { certificates: certificatesPem(x509.certificates), key: keyFile(x509.privateKey, 'pkcs8').toString() },
      }
    : {};
  const [serial, expiresAt] = [serialOf(x509?.certificates[0]), jwt?.expiresAt ?? x509?.notAfter ?? 0];
  const svid = jwt === undefined ? { serial } : { jti: String(jwt.claims['jti']) };
  return { question: { ...asked, ...shown, clientId, token, assertion }, svid, expiresAt };
}

/** Read before anybody is asked: a file that is no key is told as that. The SVID is what the exchange is on record with. */
async function registeredKey({ clientKey, clientAuth }: ExchangeOptions): Promise<ClientKey | undefined> {
  if (clientKey === undefined) return undefined;
  if (clientAuth === 'private-key-jwt') return clientKeyIn(resolve(clientKey));
  throw new IdentityError('invalid-argument', '--client-key is for --client-auth private-key-jwt');
}

function clientIdOf({ clientAuth, clientId }: ExchangeOptions, ours: string | undefined): string | undefined {
  if (clientId !== undefined) return clientId;
  if (clientAuth === 'jwt-spiffe' || clientAuth === 'tls') return ours;
  if (clientAuth === 'none') return undefined;
  throw new IdentityError('invalid-argument', `${clientAuth} says which client we are: name it with --client-id`);
}

async function jwtOf(client: WorkloadApiClient, { audience, spiffeId }: ExchangeOptions, signal: AbortSignal) {
  const [svid] = await client.fetchJwtSvids({ audience, signal, ...(spiffeId === undefined ? {} : { spiffeId }) });
  return svid;
}

async function x509Of(client: WorkloadApiClient, { spiffeId }: ExchangeOptions, signal: AbortSignal) {
  const { svids } = await client.fetchX509Context({ signal });
  const svid = svids.find(({ id }) => spiffeId === undefined || id === spiffeId);
  if (svid === undefined) throw new IdentityError('not-found', `this process has no X.509-SVID ${spiffeId}`);
  return svid;
}

function answerOf(token: ObtainedToken, svidExpiresAt: number, { out }: ExchangeOptions): Answer {
  const { accessToken, issuedTokenType = null, tokenType, scope = null } = token;
  const expiresAt = token.expiresAt === undefined ? null : new Date(token.expiresAt).toISOString();
  const about = { issuedTokenType, tokenType, scope, expiresAt };
  const warnings = outlives(token.expiresAt, svidExpiresAt);
  if (out === undefined)
    return { document: { accessToken, written: null, ...about }, text: `${accessToken}\n`, warnings };
  const written = resolve(out);
  writeFileAtomic(written, accessToken, { mode: 0o600 });
  const until = expiresAt === null ? '' : `, until ${moment(expiresAt)}`;
  return { document: { accessToken: null, written, ...about }, text: `Wrote ${written}${until}.\n`, warnings };
}

/** Whoever relies on a short life, or on taking an SVID back, must hear that this goes on. */
function outlives(expiresAt: number | undefined, svidExpiresAt: number): string[] {
  if (expiresAt === undefined)
    return ['the endpoint does not say when this token ends; it does not end when our SVID is taken back'];
  const seconds = Math.floor((expiresAt - svidExpiresAt) / 1_000);
  if (seconds <= 0) return [];
  return [
    `this token ends ${formatDuration(seconds)} after the SVID it was obtained with, and does not end when that is taken back`,
  ];
}

function authorities(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw storageError(error, `cannot read the certificates in ${path}`);
  }
}
