/** Where our bundle goes, as it is written in the settings. */
import { z } from 'zod';
import type { EndpointPlace, PublishPlace } from '../federation/federation.ts';
import { SpiffeId } from '../spiffe/id.ts';
import { absolutePath, addressOf, listenAddress, parsed, serviceAddress } from './fields.ts';

const path = z
  .string()
  .regex(/^\/[\w./~-]*$/, 'must be the path of a URL, as in /bundle')
  .default('/');

/** New ones of everybody together: a TLS handshake takes a millisecond of the thread that serves workloads too. */
const connectionsPerSecond = z.number().int().min(1).max(10_000).default(200);

/** Each profile with what it needs; neither stands in for the other (FD-04, FD-40). */
const endpoint = z.discriminatedUnion('profile', [
  z.strictObject({
    profile: z.literal('https_web'),
    listen: listenAddress,
    path,
    certificate: absolutePath,
    key: absolutePath,
    connections_per_second: connectionsPerSecond,
  }),
  z.strictObject({
    profile: z.literal('https_spiffe'),
    listen: listenAddress,
    path,
    spiffe_id: parsed(SpiffeId.parseWorkload).optional(),
    connections_per_second: connectionsPerSecond,
  }),
]);

const format = z.enum(['spiffe', 'pem', 'jwks']).default('spiffe');
/** RFC 1123 section 2.1, as Kubernetes names things. */
const kubernetesName = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'is not a name of Kubernetes');
const podSecrets = '/var/run/secrets/kubernetes.io/serviceaccount';

const place = z.discriminatedUnion('to', [
  z.strictObject({ to: z.literal('file'), path: absolutePath, format }),
  z.strictObject({
    to: z.literal('s3'),
    bucket: z.string().regex(/^[\w.-]{3,63}$/, 'is not a name of a bucket'),
    key: z.string().min(1).max(1024),
    region: z.string().regex(/^[a-z0-9-]{1,32}$/, 'is not a region'),
    endpoint: httpsAddress().optional(),
    credentials: absolutePath.optional(),
    roots: absolutePath.optional(),
    format,
  }),
  z.strictObject({
    to: z.literal('kubernetes'),
    namespace: kubernetesName,
    name: kubernetesName,
    key: z
      .string()
      .regex(/^[\w.-]{1,253}$/, 'is not a key of a ConfigMap')
      .default('bundle.json'),
    api: httpsAddress().default('https://kubernetes.default.svc'),
    token: absolutePath.default(`${podSecrets}/token`),
    roots: absolutePath.default(`${podSecrets}/ca.crt`),
    format,
  }),
]);

export const bundleEndpoints = z.array(endpoint).max(4).default([]);
export const bundlePublish = z.array(place).max(16).default([]);

type EndpointSettings = z.output<typeof bundleEndpoints>[number];

/** With the names that code has. */
export function endpointPlace(settings: EndpointSettings): EndpointPlace {
  const { profile, listen, path, connections_per_second: perSecond } = settings;
  const place = { ...(addressOf(listen) ?? { host: '127.0.0.1', port: 0 }), path, connectionsPerSecond: perSecond };
  if (profile === 'https_spiffe') return { ...place, profile, spiffeId: settings.spiffe_id };
  return { ...place, profile, certificate: settings.certificate, key: settings.key };
}

export const publishPlaces = (settings: z.output<typeof bundlePublish>): readonly PublishPlace[] => settings;

/** What is sent there proves who we are, and what is there others believe: never without TLS. */
function httpsAddress() {
  return serviceAddress.refine((text) => text.startsWith('https:'), 'must be https');
}
