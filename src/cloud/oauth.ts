/** OAuth 2.0 token endpoints: token exchange (RFC 8693), and who we are as a client (RFC 7521, RFC 7523, RFC 8705). */
import { IdentityError } from '../errors.ts';
import type { RelyingAnswer, RelyingRequest } from './http.ts';

export const grants = ['token-exchange', 'client-credentials', 'jwt-bearer'] as const;
export type Grant = (typeof grants)[number];

export const clientAuths = ['none', 'jwt-spiffe', 'jwt-bearer', 'private-key-jwt', 'tls'] as const;
export type ClientAuth = (typeof clientAuths)[number];

export interface TokenQuestion {
  readonly endpoint: string;
  readonly grant: Grant;
  readonly clientAuth: ClientAuth;
  readonly clientId?: string | undefined;
  /** Our JWT-SVID, where the grant takes one. */
  readonly token?: string | undefined;
  /** What proves the client, where something does. */
  readonly assertion?: string | undefined;
  readonly audience?: string | undefined;
  readonly resources?: readonly string[] | undefined;
  readonly scope?: string | undefined;
  readonly requestedTokenType?: string | undefined;
  readonly ca?: Buffer | undefined;
  readonly client?: RelyingRequest['client'] | undefined;
}

export interface ObtainedToken {
  readonly accessToken: string;
  readonly issuedTokenType: string | undefined;
  readonly tokenType: string;
  readonly scope: string | undefined;
  /** Undefined where the endpoint does not say. */
  readonly expiresAt: number | undefined;
}

const urn = 'urn:ietf:params:oauth:';
const grantTypes: Readonly<Record<Grant, string>> = {
  'token-exchange': `${urn}grant-type:token-exchange`,
  'client-credentials': 'client_credentials',
  'jwt-bearer': `${urn}grant-type:jwt-bearer`,
};
const assertionTypes: Readonly<Record<ClientAuth, string | undefined>> = {
  'jwt-spiffe': `${urn}client-assertion-type:jwt-spiffe`,
  'jwt-bearer': `${urn}client-assertion-type:jwt-bearer`,
  'private-key-jwt': `${urn}client-assertion-type:jwt-bearer`,
  tls: undefined,
  none: undefined,
};
export const jwtType = `${urn}token-type:jwt`;

/** Which JWT-SVID is sent, and in what place, follows from grant and client authentication; some pairs mean nothing. */
export function checkPair(grant: Grant, clientAuth: ClientAuth): void {
  if (grant !== 'client-credentials' || clientAuth !== 'none') return;
  const need =
    'the grant client-credentials gives what the client is owed: say how it proves itself with --client-auth';
  throw new IdentityError('invalid-argument', need);
}

/** Pure: what is sent. */
export function tokenRequest(question: TokenQuestion): RelyingRequest {
  const { endpoint, grant, clientAuth, ca, client } = question;
  return {
    url: endpoint,
    accepts: 'json',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: formOf(question).toString(),
    // An assertion of one use is spent by the first try.
    ...(clientAuth === 'private-key-jwt' || grant === 'jwt-bearer' ? { attempts: 1 } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(client === undefined ? {} : { client }),
  };
}

function formOf({ grant, clientAuth, token, assertion, ...question }: TokenQuestion): URLSearchParams {
  const form = new URLSearchParams({ grant_type: grantTypes[grant] });
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined) form.append(name, value);
  };
  if (grant === 'token-exchange') {
    add('subject_token', token);
    add('subject_token_type', jwtType);
    add('requested_token_type', question.requestedTokenType);
  }
  if (grant === 'jwt-bearer') add('assertion', token);
  for (const resource of question.resources ?? []) add('resource', resource);
  add('audience', question.audience);
  add('scope', question.scope);
  add('client_id', question.clientId);
  add('client_assertion_type', assertionTypes[clientAuth]);
  if (assertionTypes[clientAuth] !== undefined) add('client_assertion', assertion);
  return form;
}

/** Pure: what an answer says, held against what was asked. @throws IdentityError naming the endpoint */
export function readToken({ body }: RelyingAnswer, question: TokenQuestion, now: number): ObtainedToken {
  const { endpoint, requestedTokenType } = question;
  const wrong = (what: string): IdentityError =>
    new IdentityError('unavailable', `${withoutQuery(endpoint)} ${what}`, { reason: 'relying-answer' });
  const answer = objectIn(body);
  if (answer === undefined) throw wrong('answers with something that is no JSON object');
  const text = (name: string): string | undefined => {
    const value = answer[name];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'string' || value === '') throw wrong(`answers with ${name} that is no text`);
    return value;
  };
  const accessToken = text('access_token');
  if (accessToken === undefined) throw wrong('answers without an access_token');
  if (!/^[\x21-\x7e]+$/.test(accessToken)) throw wrong('answers with an access_token that no header can hold');
  const issuedTokenType = text('issued_token_type');
  if (requestedTokenType !== undefined && issuedTokenType !== undefined && issuedTokenType !== requestedTokenType) {
    throw wrong(
      `answers with a token of another type than was asked for: ${JSON.stringify(issuedTokenType.slice(0, 100))}`,
    );
  }
  const expiresAt = endOf(answer['expires_in'], now, wrong);
  const fault = faultOfJwt(accessToken, question, now);
  if (fault !== undefined) throw wrong(fault);
  return { accessToken, issuedTokenType, tokenType: text('token_type') ?? 'Bearer', scope: text('scope'), expiresAt };
}

/** Some write the number as text. */
function endOf(seconds: unknown, now: number, wrong: (what: string) => Error): number | undefined {
  if (seconds === undefined || seconds === null) return undefined;
  const number = Number(seconds);
  if (!Number.isFinite(number) || number <= 0 || number > 10 * 365 * 86_400)
    throw wrong('answers with an expires_in that is no time');
  return now + number * 1_000;
}

/** Where it is a JWT that names its audience, it must be the one that was asked for. */
function faultOfJwt(token: string, { audience, resources = [] }: TokenQuestion, now: number): string | undefined {
  const claims = objectIn(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  if (claims === undefined || token.split('.').length !== 3) return undefined;
  const { aud, exp } = claims;
  if (typeof exp === 'number' && exp * 1_000 <= now) return 'answers with a token that has expired';
  const wanted = [...resources, ...(audience === undefined ? [] : [audience])];
  const named = [aud].flat().filter((one) => typeof one === 'string');
  if (wanted.length === 0 || named.length === 0 || named.some((one) => wanted.includes(one))) return undefined;
  return `answers with a token for somebody else: ${JSON.stringify(named.join(' ').slice(0, 100))}`;
}

function objectIn(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

const withoutQuery = (endpoint: string): string => endpoint.replace(/[?#].*$/s, '');
