/** The places that a bundle is published to. Each replaces what is there with one write: a reader sees the old or the new. */

import { type AwsCredentials, encodeStrictly, signAwsRequest } from '../cloud/aws-signature.ts';
import { IdentityError } from '../errors.ts';
import type { Clock } from '../runtime/clock.ts';
import { environment } from '../runtime/environment.ts';
import { readPrivateFile, readSharedFile, writeFileAtomic } from '../runtime/files.ts';
import type { Fetcher } from '../runtime/http.ts';
import type { BundleFormat, Publisher } from './publish.ts';

interface Place {
  readonly format: BundleFormat;
}

export interface FilePlace extends Place {
  readonly to: 'file';
  readonly path: string;
}

export interface S3Place extends Place {
  readonly to: 's3';
  readonly bucket: string;
  readonly key: string;
  readonly region: string;
  /** Of another store than AWS. */
  readonly endpoint?: string | undefined;
  /** A file with the lines of `~/.aws/credentials`; the variables AWS_… where it is absent. */
  readonly credentials?: string | undefined;
  /** PEM: believed instead of the public authorities. */
  readonly roots?: string | undefined;
}

export interface KubernetesPlace extends Place {
  readonly to: 'kubernetes';
  readonly namespace: string;
  readonly name: string;
  readonly key: string;
  readonly api: string;
  readonly token: string;
  readonly roots: string;
}

export type PublishPlace = FilePlace | S3Place | KubernetesPlace;

export interface PublisherParts {
  readonly fetch: Fetcher;
  readonly clock: Clock;
}

/** What a store says beyond its status is for nobody. */
const longestAnswer = 1024 * 1024;
const longestSecret = 64 * 1024;
/** Roots of a cluster or of a store are a few. */
const longestRoots = 1024 * 1024;

export function publisherOf(place: PublishPlace, parts: PublisherParts): Publisher {
  if (place.to === 'file') return filePublisher(place);
  return place.to === 's3' ? s3Publisher(place, parts) : kubernetesPublisher(place, parts);
}

/** For whoever serves it: readable by all, and replaced by a rename. */
const filePublisher = ({ path, format }: FilePlace): Publisher => ({
  name: `file ${path}`,
  format,
  publish: async (text) => writeFileAtomic(path, text, { mode: 0o644 }),
});

/** PutObject, addressed by path, which every S3-compatible store takes. */
function s3Publisher(place: S3Place, { fetch, clock }: PublisherParts): Publisher {
  const { bucket, key, region, endpoint = `https://s3.${region}.amazonaws.com`, format } = place;
  const path = [bucket, ...key.split('/')].map(encodeStrictly).join('/');
  const url = new URL(`${endpoint.replace(/\/$/, '')}/${path}`);
  return {
    name: `s3 ${bucket}/${key}`,
    format,
    publish: async (body, contentType, signal) => {
      const request = { method: 'PUT', url, body, region, service: 's3', at: clock.now() } as const;
      const headers = signAwsRequest({ ...request, headers: { 'content-type': contentType } }, credentialsOf(place));
      const trust = place.roots === undefined ? {} : { ca: readSharedFile(place.roots, longestRoots) };
      const send = { method: 'PUT', headers, body } as const;
      await fetch({ url: url.href, trust, send, longestBody: longestAnswer, privateAddresses: true, signal });
    },
  };
}

function credentialsOf({ credentials }: S3Place): AwsCredentials {
  const value =
    credentials === undefined
      ? (name: string) => environment.named(name.toUpperCase())
      : valuesIn(readPrivateFile(credentials, longestSecret).toString('utf8'));
  const [accessKeyId, secretAccessKey] = [value('aws_access_key_id'), value('aws_secret_access_key')];
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    return { accessKeyId, secretAccessKey, sessionToken: value('aws_session_token') };
  }
  const where = credentials ?? 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY';
  throw new IdentityError('failed-precondition', `there are no credentials for S3 in ${where}`);
}

/** Lines of `name = value`, as AWS's own tools keep them. */
const valuesIn =
  (text: string) =>
  (name: string): string | undefined =>
    new RegExp(`^\\s*${name}\\s*=\\s*(\\S+)\\s*$`, 'm').exec(text)?.[1];

/**
 * One key of a ConfigMap, by server-side apply: the map is made where it is missing, and what others keep in it stays. The
 * token and the cluster's authorities are read each time: both are replaced under a running pod.
 */
function kubernetesPublisher(place: KubernetesPlace, { fetch }: PublisherParts): Publisher {
  const { namespace, name, key, api, token, roots, format } = place;
  const url = `${api.replace(/\/$/, '')}/api/v1/namespaces/${namespace}/configmaps/${name}?fieldManager=mayfly&force=true`;
  return {
    name: `kubernetes ${namespace}/${name}`,
    format,
    publish: async (text, _contentType, signal) => {
      const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } };
      const body = Buffer.from(JSON.stringify({ ...map, data: { [key]: text.toString('utf8') } }));
      const authorization = `Bearer ${readSharedFile(token, longestSecret).trim()}`;
      const headers = { authorization, 'content-type': 'application/apply-patch+yaml' };
      const trust = { ca: readSharedFile(roots, longestRoots) };
      const send = { method: 'PATCH', headers, body } as const;
      await fetch({ url, trust, send, longestBody: longestAnswer, privateAddresses: true, signal });
    },
  };
}
