/** What all ways to a session at AWS have in common: roles, regions, the session’s name, and how programs are told. */
import { IdentityError } from '../errors.ts';
import { RelyingError } from './relying-url.ts';

/** Credentials that end, and who they make one. */
export interface AwsSession {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiresAt: number;
  /** The ARN of the session, which ends with its name; empty where none was told. */
  readonly principal: string;
}

export interface AwsRole {
  readonly arn: string;
  readonly partition: string;
  /** Empty, or a tenant's name, at Ceph. */
  readonly account: string;
  /** Without its path. */
  readonly name: string;
}

const roleShape = /^arn:(aws[a-z-]*):iam::([\w$-]*):role\/(?:[\w+=,.@-]+\/)*([\w+=,.@-]{1,64})$/;

export function parseRole(arn: string): AwsRole {
  const [, partition, account = '', name] = roleShape.exec(arn) ?? [];
  if (partition !== undefined && name !== undefined && arn.length <= 2_048) return { arn, partition, account, name };
  throw new IdentityError(
    'invalid-argument',
    `'${arn}' is not the ARN of a role: write arn:aws:iam::123456789012:role/NAME`,
  );
}

/** Each partition with the domain of its services, and the region where nothing else is said. */
const partitions: Readonly<Record<string, readonly [domain: string, region: string]>> = {
  aws: ['amazonaws.com', 'us-east-1'],
  'aws-cn': ['amazonaws.com.cn', 'cn-north-1'],
  'aws-us-gov': ['amazonaws.com', 'us-gov-west-1'],
  'aws-eusc': ['amazonaws.eu', 'eusc-de-east-1'],
};

export function parseRegion(text: string): string {
  if (/^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$/.test(text)) return text;
  throw new IdentityError('invalid-argument', `'${text}' is not a region of AWS: write one like eu-central-1`);
}

export const regionFor = ({ partition }: AwsRole, given: string | undefined): string =>
  given ?? partitions[partition]?.[1] ?? 'us-east-1';

/** Where a service of that region is. Of a partition that is not known here, the operator knows the address. */
export function serviceUrl(service: string, { partition }: AwsRole, region: string): string {
  const domain = partitions[partition]?.[0];
  if (domain !== undefined) return `https://${service}.${region}.${domain}`;
  throw new IdentityError(
    'invalid-argument',
    `the addresses of the partition ${partition} are not known: name the endpoint`,
  );
}

/** Seconds: what AWS allows at all; a role may allow less. */
export const durations = { least: 900, most: 43_200 } as const;

export function checkDuration(seconds: number): number {
  if (seconds >= durations.least && seconds <= durations.most) return seconds;
  throw new IdentityError('invalid-argument', `a session at AWS lasts from 15m to 12h, and not ${seconds} seconds`);
}

const longestSessionName = 64;
const uuidLength = 36;

export function checkSessionPrefix(text: string): string {
  const room = longestSessionName - uuidLength - 1;
  if (/^[\w+=,.@-]+$/.test(text) && text.length <= room) return text;
  const rule = `has 1 to ${room} letters, digits and characters of _+=,.@-`;
  throw new IdentityError(
    'invalid-argument',
    `'${text}' cannot begin a session's name: it ${rule}; our record’s number follows`,
  );
}

/** What CloudTrail shows beside each call: it leads back to the record of this exchange. */
export const sessionName = (prefix: string, exchange: string): string => `${prefix}-${exchange}`;

/** RFC 3339 in UTC; Ceph has nanoseconds. NaN where it is something else, which `Date.parse` might well make a moment of. */
export const momentOf = (text: string): number =>
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/.test(text) ? Date.parse(text) : Number.NaN;

/** A session for another role than was asked for, or under another name, is not ours, whoever sent it. */
export function checkPrincipal(principal: string, role: AwsRole, session: string): void {
  if (principal === `arn:${role.partition}:sts::${role.account}:assumed-role/${role.name}/${session}`) return;
  throw new RelyingError('unavailable', 'the answer of AWS is about another role or another session', {
    reason: 'relying-refusal',
  });
}

/** A refusal with AWS’s own word for it, and what to do about that. */
export class AwsRefusal extends IdentityError {
  readonly fault: string;
  readonly next: string | undefined;

  constructor(error: RelyingError, fault: string, next: string | undefined) {
    super(error.code, error.message, { cause: error, ...(error.reason === undefined ? {} : { reason: error.reason }) });
    this.fault = fault;
    this.next = next;
  }
}

/** What was heard of a refusal while the answer was read, and the refusal with the advice that belongs to it. */
export const refusals = (advice: Readonly<Record<string, string>>) => ({
  fault: undefined as string | undefined,
  explained(error: unknown): unknown {
    if (!(error instanceof RelyingError) || error.status === 0 || this.fault === undefined) return error;
    return new AwsRefusal(error, this.fault, advice[this.fault]);
  },
});

/** The document that `credential_process` prints. */
export const processDocument = (session: AwsSession) => ({
  Version: 1,
  AccessKeyId: session.accessKeyId,
  SecretAccessKey: session.secretAccessKey,
  SessionToken: session.sessionToken,
  Expiration: timeOf(session),
  AccountId: accountOf(session),
});

/** The document of the container credentials endpoint. */
export const containerDocument = (session: AwsSession) => ({
  AccessKeyId: session.accessKeyId,
  SecretAccessKey: session.secretAccessKey,
  Token: session.sessionToken,
  Expiration: timeOf(session),
  AccountId: accountOf(session),
});

/** To the second: some of AWS’s own parsers want no fractions. */
const timeOf = ({ expiresAt }: AwsSession): string => `${new Date(expiresAt).toISOString().slice(0, 19)}Z`;

/** Ceph has none. */
function accountOf({ principal }: AwsSession): string | undefined {
  const account = principal.split(':')[4] ?? '';
  return /^\d{12}$/.test(account) ? account : undefined;
}
