/** IAM Roles Anywhere, CreateSession: an X.509-SVID becomes a session of a role. Its key signs the request. */
import type { IncomingHttpHeaders } from 'node:http';
import { type AwsRole, type AwsSession, checkPrincipal, momentOf, refusals } from './aws.ts';
import { type AwsCertificate, signWithCertificate } from './aws-signature.ts';
import { jsonFault } from './fault.ts';
import { askRelyingParty, type RelyingParts } from './http.ts';
import { RelyingError } from './relying-url.ts';

export interface CreateSessionQuestion {
  readonly endpoint: string;
  readonly region: string;
  readonly role: AwsRole;
  readonly trustAnchorArn: string;
  readonly profileArn: string;
  readonly sessionName: string;
  readonly durationSeconds?: number | undefined;
  readonly certificate: AwsCertificate;
  readonly ca?: string | Buffer | undefined;
}

/** @throws AwsRefusal, RelyingError */
export async function createSession(
  question: CreateSessionQuestion,
  signal: AbortSignal,
  parts: RelyingParts,
): Promise<AwsSession> {
  const { ca } = question;
  const heard = refusals(advice);
  const fault = (body: string, headers: IncomingHttpHeaders): string | undefined => {
    const type = String(headers['x-amzn-errortype'] ?? '').replace(/[:#].*/s, '');
    if (type === '') return undefined;
    heard.fault = type;
    return [type, jsonFault(body, false)].filter(Boolean).join(': ');
  };
  try {
    const request = signedRequest(question, parts.clock.now());
    const passes = (): boolean => heard.fault === 'ThrottlingException';
    const answer = await askRelyingParty(
      { ...request, accepts: 'json', fault, passes, ...(ca === undefined ? {} : { ca }) },
      signal,
      parts,
    );
    return readCreatedSession(answer.body, question);
  } catch (error) {
    throw heard.explained(error);
  }
}

/** As AWS’s own helper has it: what is asked for in the query, how long and under which name in the body. */
function signedRequest(question: CreateSessionQuestion, at: number) {
  const { endpoint, region, role, trustAnchorArn, profileArn, sessionName, durationSeconds, certificate } = question;
  const url = new URL(`${endpoint.replace(/\/$/, '')}/sessions`);
  url.search = new URLSearchParams({ profileArn, roleArn: role.arn, trustAnchorArn }).toString();
  const asked = { ...(durationSeconds === undefined ? {} : { durationSeconds }), roleSessionName: sessionName };
  const body = JSON.stringify(asked);
  const about = { method: 'POST', url, body: Buffer.from(body), region, service: 'rolesanywhere', at } as const;
  const headers = signWithCertificate({ ...about, headers: { 'content-type': 'application/json' } }, certificate);
  return { url: url.href, headers, body };
}

/** @throws RelyingError where it is not the session that was asked for */
export function readCreatedSession(
  body: string,
  { endpoint, role, sessionName }: Pick<CreateSessionQuestion, 'endpoint' | 'role' | 'sessionName'>,
): AwsSession {
  const [set] = membersOf(body)?.['credentialSet'] ?? [];
  const credentials = set?.credentials ?? {};
  const text = (name: string): string => (typeof credentials[name] === 'string' ? credentials[name] : '');
  const [accessKeyId, secretAccessKey, sessionToken] = ['accessKeyId', 'secretAccessKey', 'sessionToken'].map(text);
  const expiresAt = momentOf(text('expiration'));
  if (!accessKeyId || !secretAccessKey || !sessionToken || Number.isNaN(expiresAt)) {
    const message = `the answer of ${endpoint} has no credentials in it`;
    throw new RelyingError('unavailable', message, { reason: 'relying-refusal' });
  }
  const principal = String(set?.assumedRoleUser?.arn ?? '');
  checkPrincipal(principal, role, sessionName);
  return { accessKeyId, secretAccessKey, sessionToken, expiresAt, principal };
}

interface Answer {
  readonly credentialSet?: readonly {
    readonly credentials?: Readonly<Record<string, unknown>>;
    readonly assumedRoleUser?: { readonly arn?: unknown };
  }[];
}

function membersOf(body: string): Answer | undefined {
  try {
    const answer: unknown = JSON.parse(body);
    const set = (answer as Answer | null)?.credentialSet;
    return Array.isArray(set) ? (answer as Answer) : undefined;
  } catch {
    return undefined;
  }
}

/** By the service’s own word, what it usually means here. */
const advice: Readonly<Record<string, string>> = {
  AccessDeniedException:
    'Does the role trust rolesanywhere.amazonaws.com for this subject (`mayfly trust-policy aws --via roles-anywhere` prints it), is the trust anchor our root, does the profile name the role, and does our SVID have a subject (`mayfly entry update --subject`)?',
  ValidationException:
    'Compare the ARNs with those in the account; a --duration longer than the profile allows is another cause.',
  ResourceNotFoundException: 'There is no such trust anchor or profile in that region.',
  TooManyTagsException: 'The certificate’s names make more session tags than AWS takes.',
};
