/** AssumeRoleWithWebIdentity: a JWT-SVID becomes a session of a role. The request is not signed: the token is the proof. */
import { type AwsRole, type AwsSession, checkPrincipal, momentOf, refusals } from './aws.ts';
import { askRelyingParty, type RelyingParts, type RelyingRequest } from './http.ts';
import { RelyingError } from './relying-url.ts';
import { parseXml, type XmlTexts } from './xml.ts';

export interface WebIdentityQuestion {
  readonly endpoint: string;
  readonly role: AwsRole;
  readonly sessionName: string;
  readonly durationSeconds?: number | undefined;
  /** Whose token it is, to be compared with whom STS says it was. */
  readonly subject: string;
  readonly token: string;
  readonly ca?: string | Buffer | undefined;
}

/** @throws AwsRefusal, RelyingError */
export async function assumeRoleWithWebIdentity(
  question: WebIdentityQuestion,
  signal: AbortSignal,
  parts?: RelyingParts,
): Promise<AwsSession> {
  const heard = refusals(advice);
  try {
    const { body } = await askRelyingParty(request(question, heard), signal, parts);
    return readWebIdentitySession(body, question);
  } catch (error) {
    throw heard.explained(error);
  }
}

function request(question: WebIdentityQuestion, heard: { fault: string | undefined }): RelyingRequest {
  const { endpoint, role, sessionName, durationSeconds, token, ca } = question;
  const form = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: role.arn,
    RoleSessionName: sessionName,
    ...(durationSeconds === undefined ? {} : { DurationSeconds: String(durationSeconds) }),
    WebIdentityToken: token,
  });
  return {
    url: endpoint,
    body: form.toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    accepts: 'xml',
    fault: (answer) => {
      const [fault, message] = readStsError(answer);
      heard.fault = fault;
      return fault === undefined ? undefined : [fault, message].filter(Boolean).join(': ');
    },
    passes: ({ body }) => mayPass.has(readStsError(body)[0] ?? ''),
    ...(ca === undefined ? {} : { ca }),
  };
}

/** STS could not fetch our keys in time: by its documentation, worth another try. */
const mayPass: ReadonlySet<string> = new Set([
  'IDPCommunicationError',
  'Throttling',
  'ThrottlingException',
  'RequestLimitExceeded',
]);

export function readStsError(body: string): readonly [code?: string, message?: string] {
  const texts = textsOf(body);
  // Ceph answers without the outer element.
  const root = texts?.has('ErrorResponse/Error/Code') ? 'ErrorResponse/Error' : 'Error';
  const code = texts?.get(`${root}/Code`);
  return code === undefined ? [] : [code, texts?.get(`${root}/Message`) ?? ''];
}

function textsOf(body: string): XmlTexts | undefined {
  try {
    return parseXml(body);
  } catch {
    return undefined;
  }
}

/** @throws RelyingError where it is not the session that was asked for */
export function readWebIdentitySession(
  body: string,
  { endpoint, role, sessionName, subject }: Omit<WebIdentityQuestion, 'token'>,
): AwsSession {
  const texts = textsOf(body);
  const text = (name: string): string =>
    texts?.get(`AssumeRoleWithWebIdentityResponse/AssumeRoleWithWebIdentityResult/${name}`) ?? '';
  const session = {
    accessKeyId: text('Credentials/AccessKeyId'),
    secretAccessKey: text('Credentials/SecretAccessKey'),
    sessionToken: text('Credentials/SessionToken'),
    expiresAt: momentOf(text('Credentials/Expiration')),
    principal: text('AssumedRoleUser/Arn'),
  };
  const { accessKeyId, secretAccessKey, sessionToken, expiresAt, principal } = session;
  if (accessKeyId === '' || secretAccessKey === '' || sessionToken === '' || Number.isNaN(expiresAt)) {
    throw unusable(endpoint, 'has no credentials in it');
  }
  checkPrincipal(principal, role, sessionName);
  const judged = text('SubjectFromWebIdentityToken');
  if (judged !== '' && judged !== subject) throw unusable(endpoint, 'is about another subject');
  return session;
}

const unusable = (endpoint: string, what: string): RelyingError =>
  new RelyingError('unavailable', `the answer of ${endpoint} ${what}`, { reason: 'relying-refusal' });

/** By STS’s own word, what it usually means here. */
const advice: Readonly<Record<string, string>> = {
  AccessDenied:
    'Either the role’s trust policy does not allow this subject and audience (`mayfly trust-policy aws` prints one that does), or there is no such role.',
  InvalidIdentityToken:
    'The identity provider in that account must have our issuer as its URL, byte for byte, and this audience in its list; and STS must be able to fetch our keys: `mayfly federation lint --for aws` looks for the cause.',
  ExpiredTokenException: 'The token was fresh when it left: compare this host’s clock with the world’s.',
  IDPCommunicationError:
    'STS could not fetch our keys within some five seconds: is the issuer reachable from the internet?',
  IDPRejectedClaim:
    'The identity provider of that account does not accept these claims: compare its settings with the token’s.',
  RegionDisabledException: 'STS is switched off in that region for that account: choose another with --region.',
  ValidationError: 'A --duration that is longer than the role’s own maximum is the usual cause.',
  PackedPolicyTooLarge: 'The session’s tags are more than STS takes: give the entry fewer.',
};
