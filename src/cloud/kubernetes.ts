/** Kubernetes' own formats: what an exec plugin prints, and a file that names a cluster and who one is there. */
import { IdentityError } from '../errors.ts';
import type { Token, X509Identity } from './identities.ts';
import { certificatesPem, keyFile } from './pem.ts';

export const execVersions = ['v1', 'v1beta1'] as const;
export type ExecVersion = (typeof execVersions)[number];

const group = 'client.authentication.k8s.io';

/** Ends a little sooner than the credential: a request that is on its way then must not be refused. */
const spareMs = (lifeMs: number): number => Math.min(30_000, lifeMs / 10);

export interface ExecCredential {
  readonly apiVersion: string;
  readonly kind: 'ExecCredential';
  readonly status: {
    readonly expirationTimestamp: string;
    readonly token?: string;
    readonly clientCertificateData?: string;
    readonly clientKeyData?: string;
  };
}

export const tokenCredential = ({ token, expiresAt }: Token, version: ExecVersion, now: number): ExecCredential =>
  credential(version, expiresAt, now, { token });

export const certificateCredential = (svid: X509Identity, version: ExecVersion, now: number): ExecCredential =>
  credential(version, svid.notAfter, now, {
    clientCertificateData: certificatesPem(svid.certificates),
    clientKeyData: keyFile(svid.privateKey, 'pkcs8').toString(),
  });

function credential(version: ExecVersion, expiresAt: number, now: number, secrets: object): ExecCredential {
  const until = new Date(expiresAt - spareMs(expiresAt - now));
  // Seconds, as metav1.Time is written.
  const expirationTimestamp = `${until.toISOString().slice(0, 19)}Z`;
  return { apiVersion: `${group}/${version}`, kind: 'ExecCredential', status: { expirationTimestamp, ...secrets } };
}

/** @param info KUBERNETES_EXEC_INFO, which says what the client reads; some clients set none */
export function versionIn(info: string | undefined): ExecVersion {
  if (info === undefined) return 'v1';
  const asked = apiVersionOf(info);
  const version = execVersions.find((known) => asked === `${group}/${known}`);
  if (version !== undefined) return version;
  const said = JSON.stringify(String(asked).slice(0, 64));
  throw new IdentityError(
    'invalid-argument',
    `KUBERNETES_EXEC_INFO asks for ${said}; we have ${execVersions.map((known) => `${group}/${known}`).join(' and ')}`,
  );
}

function apiVersionOf(info: string): unknown {
  try {
    const value: unknown = JSON.parse(info);
    return typeof value === 'object' && value !== null ? Reflect.get(value, 'apiVersion') : undefined;
  } catch {
    return undefined;
  }
}

export interface ClusterAccess {
  readonly server: string;
  /** A file, PEM; the system's certificates where absent. */
  readonly certificateAuthority?: string | undefined;
  readonly namespace?: string | undefined;
  /** What prints an ExecCredential of version v1. */
  readonly command: readonly string[];
}

/**
 * JSON is YAML: whoever reads a kubeconfig reads it. By an exec plugin, because that is what every client has: one of them
 * passes over a `tokenFile` without a word.
 */
export const kubeconfig = ({ server, certificateAuthority, namespace, command }: ClusterAccess): object => ({
  apiVersion: 'v1',
  kind: 'Config',
  clusters: [
    {
      name: 'mayfly',
      cluster: {
        server,
        ...(certificateAuthority === undefined ? {} : { 'certificate-authority': certificateAuthority }),
      },
    },
  ],
  users: [
    {
      name: 'mayfly',
      user: {
        exec: {
          ...{ apiVersion: `${group}/v1`, command: command[0], args: command.slice(1) },
          ...{ interactiveMode: 'Never', provideClusterInfo: false },
        },
      },
    },
  ],
  contexts: [
    {
      name: 'mayfly',
      context: { cluster: 'mayfly', user: 'mayfly', ...(namespace === undefined ? {} : { namespace }) },
    },
  ],
  'current-context': 'mayfly',
});
