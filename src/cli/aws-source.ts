/** Sessions at AWS for this process: an SVID of ours, the exchange on record, and only then the credentials. */
import { readFileSync } from 'node:fs';
import { AwsRefusal, type AwsRole, type AwsSession, regionFor, serviceUrl, sessionName } from '../cloud/aws.ts';
import { IdentityError } from '../errors.ts';
import { systemClock as clock } from '../runtime/clock.ts';
import { formatDuration } from '../runtime/duration.ts';
import { environment } from '../runtime/environment.ts';
import { storageError } from '../runtime/files.ts';
import { systemRandom as random } from '../runtime/random.ts';
import type { WorkloadApiClient } from '../sdk/client.ts';
import { CommandError } from './failure.ts';
import type { EndpointOptions } from './sockets.ts';

export interface AwsOptions extends EndpointOptions {
  readonly roleArn: AwsRole;
  readonly via: 'web-identity' | 'roles-anywhere';
  readonly audience: string;
  readonly spiffeId?: string;
  readonly region?: string;
  readonly stsEndpoint?: string;
  readonly caBundle?: string;
  /** Seconds. */
  readonly duration?: number;
  readonly sessionName: string;
  readonly trustAnchorArn?: string;
  readonly profileArn?: string;
}

export interface DerivedSession extends AwsSession {
  /** When the SVID ends that it was obtained with. */
  readonly svidExpiresAt: number;
}

export type AwsSource = (client: WorkloadApiClient, signal: AbortSignal) => Promise<DerivedSession>;

/** @throws IdentityError where the options do not say enough */
export function awsSource(options: AwsOptions): AwsSource {
  const { roleArn: role, via } = options;
  const region = regionFor(role, options.region ?? environment.awsRegion());
  const ca = certificates(options.caBundle ?? environment.awsCaBundle());
  const common = { role, region, durationSeconds: options.duration, ca };
  const source = via === 'web-identity' ? webIdentity(options, common) : rolesAnywhere(options, common);
  return async (client, signal) => {
    try {
      return await source(client, signal);
    } catch (error) {
      throw error instanceof AwsRefusal && error.next !== undefined
        ? new CommandError(error.code, error.message, error.next, { cause: error })
        : error;
    }
  };
}

/** Whoever relies on a short life, or on taking an SVID back, must hear that this goes on. */
export function outlives({ expiresAt, svidExpiresAt }: DerivedSession): string[] {
  const seconds = Math.floor((expiresAt - svidExpiresAt) / 1000);
  if (seconds <= 0) return [];
  return [
    `this session ends ${formatDuration(seconds)} after the SVID it was obtained with, and does not end when that is taken back`,
  ];
}

interface Common {
  readonly role: AwsRole;
  readonly region: string;
  readonly durationSeconds: number | undefined;
  readonly ca: Buffer | undefined;
}

function webIdentity(options: AwsOptions, common: Common): AwsSource {
  const given = options.stsEndpoint ?? environment.stsEndpoint();
  const endpoint = given ?? `${serviceUrl('sts', common.role, common.region)}/`;
  const { audience, spiffeId } = options;
  return async (client, signal) => {
    const request = { audience, signal, ...(spiffeId === undefined ? {} : { spiffeId }) };
    const [svid] = await client.fetchJwtSvids(request);
    if (svid === undefined) throw notOwed(spiffeId);
    const { assumeRoleWithWebIdentity } = await import('../cloud/aws-sts.ts');
    const jti = String(svid.claims['jti']);
    const intent = { svid: { jti }, target: 'aws-web-identity', endpoint, role: common.role.arn };
    const ask = (name: string) =>
      assumeRoleWithWebIdentity(
        { ...common, endpoint, sessionName: name, subject: svid.id, token: svid.token },
        signal,
        { clock, random },
      );
    return recorded(client, intent, options, ask, svid.expiresAt, signal);
  };
}

function rolesAnywhere(options: AwsOptions, common: Common): AwsSource {
  const { trustAnchorArn, profileArn, spiffeId } = options;
  if (trustAnchorArn === undefined || profileArn === undefined) {
    throw new IdentityError('invalid-argument', 'roles-anywhere needs --trust-anchor-arn and --profile-arn');
  }
  const endpoint =
    options.stsEndpoint ??
    environment.rolesAnywhereEndpoint() ??
    serviceUrl('rolesanywhere', common.role, common.region);
  return async (client, signal) => {
    const { svids } = await client.fetchX509Context({ signal });
    const svid = svids.find(({ id }) => spiffeId === undefined || id === spiffeId);
    if (svid === undefined) throw notOwed(spiffeId);
    const { createSession } = await import('../cloud/aws-roles-anywhere.ts');
    const { serialOf } = await import('./pem.ts');
    const { certificates, privateKey } = svid;
    const serial = serialOf(certificates[0]);
    const intent = { svid: { serial }, target: 'aws-roles-anywhere', endpoint, role: common.role.arn };
    const question = {
      ...common,
      endpoint,
      trustAnchorArn,
      profileArn,
      certificate: { certificates, privateKey, serial },
    };
    const ask = (name: string) => createSession({ ...question, sessionName: name }, signal, { clock, random });
    return recorded(client, intent, options, ask, svid.notAfter, signal);
  };
}

async function recorded(
  { exchanges }: WorkloadApiClient,
  intent: Parameters<WorkloadApiClient['exchanges']['record']>[0],
  options: AwsOptions,
  ask: (sessionName: string) => Promise<AwsSession>,
  svidExpiresAt: number,
  signal: AbortSignal,
): Promise<DerivedSession> {
  const { session } = await exchanges.record(
    intent,
    async (exchange) => {
      const session = await ask(sessionName(options.sessionName, exchange));
      const { principal, accessKeyId: credential, expiresAt } = session;
      return { session, gain: { principal, credential, expiresAt } };
    },
    signal,
  );
  return { ...session, svidExpiresAt };
}

function certificates(path: string | undefined): Buffer | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    throw storageError(error, `cannot read the certificates in ${path}`);
  }
}

const notOwed = (spiffeId = ''): IdentityError =>
  new IdentityError('not-found', `this process has no SVID ${spiffeId}: \`mayfly fetch x509\` shows those that it has`);
