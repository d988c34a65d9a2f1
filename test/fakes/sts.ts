/**
 * An STS that judges as AWS documents it: AssumeRoleWithWebIdentity with the token verified by jose against the issuer's keys,
 * trust policies with audience and subject, and AWS's own errors in XML. CreateSession besides, with the signature computed
 * anew from what arrived and checked with the key of the certificate that came along.
 */
import { createHash, randomBytes, verify, X509Certificate } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { errors, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { LocalTls } from './local-tls.ts';

export interface StsRole {
  readonly arn: string;
  /** The only ones that may take it. */
  readonly subject: string;
}

export interface StsOptions {
  readonly keys: JWTVerifyGetKey;
  /** Checked where it is given. */
  readonly issuer?: string;
  readonly audience: string;
  readonly roles: readonly StsRole[];
  /** DER of those that sign certificates which Roles Anywhere takes. */
  readonly trustAnchors?: () => readonly Buffer[];
  readonly tls?: LocalTls;
}

export interface StsAsked {
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly form: URLSearchParams;
  readonly body: string;
}

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

type Refusal = readonly [status: number, code: string, message: string];

export class StrictSts implements AsyncDisposable {
  readonly asked: StsAsked[] = [];
  /** Answered instead, once for each; then it judges again. */
  readonly troubles: Reply[] = [];
  /** Answered instead, always. */
  trouble: ((asked: StsAsked) => Reply) | undefined;
  readonly #options: StsOptions;
  readonly #server: http.Server;

  private constructor(options: StsOptions) {
    this.#options = options;
    const listener: http.RequestListener = (request, response) => void this.#serve(request, response);
    this.#server = options.tls === undefined ? http.createServer(listener) : https.createServer(options.tls, listener);
  }

  static async start(options: StsOptions): Promise<StrictSts> {
    const sts = new StrictSts(options);
    await new Promise<void>((resolve) => sts.#server.listen(0, '127.0.0.1', resolve));
    return sts;
  }

  get endpoint(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `${this.#options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    const asked = { path: request.url ?? '', headers: request.headers, form: new URLSearchParams(body), body };
    this.asked.push(asked);
    const instead = this.troubles.shift() ?? this.trouble?.(asked);
    const { status, headers, body: text } = instead ?? (await this.#judge(asked).catch(mistaken));
    response.writeHead(status, { 'content-type': 'text/xml', ...headers }).end(text);
  }

  async #judge(asked: StsAsked): Promise<Reply> {
    if (asked.path.startsWith('/sessions?')) return this.#createSession(asked);
    const refusal = await this.#refusal(asked);
    if (refusal !== undefined) return errorReply(...refusal);
    const role = asked.form.get('RoleArn') ?? '';
    const token = asked.form.get('WebIdentityToken') ?? '';
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
      sub: string;
      aud: string | string[];
    };
    return sessionReply({
      arn: role,
      session: asked.form.get('RoleSessionName') ?? '',
      subject: claims.sub,
      audience: String(claims.aud),
      seconds: Number(asked.form.get('DurationSeconds') ?? 3_600),
    });
  }

  /** In AWS's order: shape, token, then whether the role's policy allows it. */
  async #refusal({ form, headers }: StsAsked): Promise<Refusal | undefined> {
    if (headers['content-type'] !== 'application/x-www-form-urlencoded') return malformed('the content type');
    if (form.get('Action') !== 'AssumeRoleWithWebIdentity' || form.get('Version') !== '2011-06-15')
      return malformed('Action');
    if (!/^[\w+=,.@-]{2,64}$/.test(form.get('RoleSessionName') ?? '')) return malformed('roleSessionName');
    const seconds = Number(form.get('DurationSeconds') ?? 3_600);
    if (!(seconds >= 900 && seconds <= 3_600)) return malformed('the role’s MaxSessionDuration');
    const verdict = await this.#verify(form.get('WebIdentityToken') ?? '');
    if (typeof verdict !== 'string') return verdict;
    const role = this.#options.roles.find(({ arn }) => arn === form.get('RoleArn'));
    if (role?.subject === verdict) return undefined;
    return [403, 'AccessDenied', 'Not authorized to perform sts:AssumeRoleWithWebIdentity'];
  }

  async #verify(token: string): Promise<string | Refusal> {
    const { keys, issuer, audience } = this.#options;
    if (token.length < 4 || token.length > 20_000) return malformed('webIdentityToken');
    try {
      const options = { audience, algorithms: ['ES256', 'RS256'], requiredClaims: ['sub', 'aud', 'exp', 'iat'] };
      const { payload, protectedHeader } = await jwtVerify(
        token,
        keys,
        issuer === undefined ? options : { ...options, issuer },
      );
      if (protectedHeader.kid === undefined || 'azp' in payload)
        return invalid('Token header or claims are not as required');
      return String(payload.sub);
    } catch (error) {
      if (error instanceof errors.JWTExpired) return [400, 'ExpiredTokenException', 'Token expired'];
      if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud')
        return invalid('Incorrect token audience');
      if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'iss')
        return invalid('No OpenIDConnect provider found in your account');
      return invalid('Couldn’t verify the token by the keys of its issuer');
    }
  }

  #createSession(asked: StsAsked): Reply {
    const problem = signatureProblem(asked, this.#options.trustAnchors?.() ?? []);
    const query = new URL(asked.path, 'http://sts').searchParams;
    const arn = query.get('roleArn') ?? '';
    const role = this.#options.roles.find((one) => one.arn === arn);
    const refused = problem ?? (role === undefined ? 'Insufficient permissions to assume the role' : undefined);
    if (refused !== undefined) {
      const headers = { 'content-type': 'application/json', 'x-amzn-errortype': 'AccessDeniedException' };
      return { status: 403, headers, body: JSON.stringify({ message: refused }) };
    }
    const { roleSessionName, durationSeconds = 3_600 } = JSON.parse(asked.body) as Record<string, string | number>;
    const credentials = {
      accessKeyId: 'ASIAROLESANYWHERE',
      secretAccessKey: randomBytes(30).toString('base64'),
      sessionToken: randomBytes(60).toString('base64'),
      expiration: new Date(Date.now() + Number(durationSeconds) * 1_000).toISOString(),
    };
    const user = { arn: assumed(arn, String(roleSessionName)), assumedRoleId: `AROA:${roleSessionName}` };
    const body = {
      credentialSet: [{ assumedRoleUser: user, credentials, roleArn: arn }],
      subjectArn: `${arn}/subject`,
    };
    return { status: 201, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  }
}

/** A mistake in this fake is an answer, so that the test that meets it says so. */
const mistaken = (error: unknown): Reply => errorReply(501, 'Mistake', String(error));

const malformed = (what: string): Refusal => [
  400,
  'ValidationError',
  `1 validation error detected: ${what} is not allowed`,
];
const invalid = (message: string): Refusal => [400, 'InvalidIdentityToken', message];

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

export const errorReply = (status: number, code: string, message: string): Reply => ({
  status,
  body: `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error><Type>Sender</Type><Code>${code}</Code><Message>${escaped(message)}</Message></Error>
  <RequestId>7d1b2a00-0000-4000-8000-000000000000</RequestId>
</ErrorResponse>\n`,
});

const assumed = (role: string, session: string): string =>
  `arn:aws:sts::${role.split(':')[4]}:assumed-role/${role.split('/').at(-1)}/${session}`;

interface Session {
  readonly arn: string;
  readonly session: string;
  readonly subject: string;
  readonly audience: string;
  readonly seconds: number;
}

export const sessionReply = ({ arn, session, subject, audience, seconds }: Session): Reply => ({
  status: 200,
  body: `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult>
    <SubjectFromWebIdentityToken>${escaped(subject)}</SubjectFromWebIdentityToken>
    <Audience>${escaped(audience)}</Audience>
    <AssumedRoleUser>
      <Arn>${assumed(arn, session)}</Arn>
      <AssumedRoleId>AROACLKWSDQRAOEXAMPLE:${session}</AssumedRoleId>
    </AssumedRoleUser>
    <Credentials>
      <SessionToken>${randomBytes(120).toString('base64')}</SessionToken>
      <SecretAccessKey>${randomBytes(30).toString('base64')}</SecretAccessKey>
      <Expiration>${new Date(Date.now() + seconds * 1_000).toISOString()}</Expiration>
      <AccessKeyId>ASIA${randomBytes(8).toString('hex').toUpperCase()}</AccessKeyId>
    </Credentials>
    <Provider>arn:aws:iam::123456789012:oidc-provider/issuer</Provider>
  </AssumeRoleWithWebIdentityResult>
  <ResponseMetadata><RequestId>ad4156e9-bce1-11e2-82e6-6b6efEXAMPLE</RequestId></ResponseMetadata>
</AssumeRoleWithWebIdentityResponse>\n`,
});

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const strictly = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);

/** Written a second time, from the documentation and not from the signer under test. */
function signatureProblem({ path, headers, body }: StsAsked, anchors: readonly Buffer[]): string | undefined {
  const shape =
    /^(AWS4-X509-(?:RSA|ECDSA)-SHA256) Credential=(\d+)\/(\d{8}\/[\w-]+\/rolesanywhere\/aws4_request), SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]+)$/;
  const [, algorithm = '', serial = '', scope = '', signed = '', signature = ''] =
    shape.exec(headers.authorization ?? '') ?? [];
  if (algorithm === '') return 'the Authorization header is not what it should be';
  for (const name of ['host', 'x-amz-date', 'x-amz-x509', 'content-type']) {
    if (!signed.split(';').includes(name)) return `${name} is not signed`;
  }
  const date = String(headers['x-amz-date']);
  const moment = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (!scope.startsWith(date.slice(0, 8)) || Math.abs(moment - Date.now()) > 300_000)
    return 'the signature is not of now';
  const leaf = new X509Certificate(Buffer.from(String(headers['x-amz-x509']), 'base64'));
  if (!leaf.subject) return 'the certificate has no subject';
  if (BigInt(`0x${leaf.serialNumber}`).toString() !== serial) return 'the serial number is another’s';
  const [pathname = '', query = ''] = path.split('?');
  const parameters = [...new URLSearchParams(query)]
    .map(([name, value]) => `${strictly(name)}=${strictly(value)}`)
    .sort();
  const lines = signed.split(';').map((name) => `${name}:${String(headers[name]).trim()}`);
  const canonical = ['POST', pathname, parameters.join('&'), ...lines, '', signed, sha256(body)].join('\n');
  const toSign = Buffer.from([algorithm, date, scope, sha256(canonical)].join('\n'));
  if (!verify('sha256', toSign, leaf.publicKey, Buffer.from(signature, 'hex'))) return 'the signature does not hold';
  return chainProblem(leaf, String(headers['x-amz-x509-chain'] ?? ''), anchors);
}

function chainProblem(leaf: X509Certificate, chain: string, anchors: readonly Buffer[]): string | undefined {
  const between = chain
    .split(',')
    .filter(Boolean)
    .map((text) => new X509Certificate(Buffer.from(text, 'base64')));
  const path = [leaf, ...between, ...anchors.map((der) => new X509Certificate(der))];
  for (const [at, one] of path.slice(0, between.length + 1).entries()) {
    if (!path.slice(at + 1).some((above) => one.checkIssued(above) && one.verify(above.publicKey)))
      return 'no trust anchor signed it';
  }
  return undefined;
}
