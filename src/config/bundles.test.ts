import { describe, expect, it } from 'vitest';
import { parseConfig, printConfig } from '../config.ts';
import { endpointPlace } from './bundles.ts';

const refused = (yaml: string): string => {
  try {
    parseConfig({}, yaml);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'accepted';
};

const web =
  '{ profile: https_web, listen: "0.0.0.0:8443", certificate: /tls/tls.crt, key: /tls/tls.key, connections_per_second: 20 }';
const spiffe = '{ profile: https_spiffe, listen: "[::]:8444", path: /bundle, spiffe_id: "spiffe://example.org/b" }';
const places = [
  '{ to: file, path: /srv/bundle.json }',
  '{ to: s3, bucket: trust, key: a/b.json, region: eu-north-1, endpoint: "https://minio:9000", format: jwks }',
  '{ to: kubernetes, namespace: default, name: trust-bundle, format: pem }',
];

describe('where our bundle goes', () => {
  it('is nowhere where nothing is said', () => {
    expect(parseConfig({})).toMatchObject({ bundle_endpoints: [], bundle_publish: [] });
  });

  it('is read, and printed with every default as it is read back', () => {
    const config = parseConfig({}, `bundle_endpoints: [${web}, ${spiffe}]\nbundle_publish: [${places.join()}]\n`);
    expect(parseConfig({}, printConfig(config))).toEqual(config);
    expect(config.bundle_endpoints.map(endpointPlace)).toEqual([
      {
        profile: 'https_web',
        host: '0.0.0.0',
        port: 8443,
        path: '/',
        certificate: '/tls/tls.crt',
        key: '/tls/tls.key',
        connectionsPerSecond: 20,
      },
      {
        profile: 'https_spiffe',
        host: '::',
        port: 8444,
        path: '/bundle',
        spiffeId: 'spiffe://example.org/b',
        connectionsPerSecond: 200,
      },
    ]);
    expect(config.bundle_publish).toMatchObject([
      { format: 'spiffe' },
      { format: 'jwks' },
      { key: 'bundle.json', api: 'https://kubernetes.default.svc', format: 'pem' },
    ]);
  });

  const endpoint = (text: string): string => `bundle_endpoints: [${text}]`;
  it.each([
    ['FD-04 no profile', endpoint('{ listen: "0.0.0.0:1" }'), /^line 1: bundle_endpoints/],
    ['another profile', endpoint('{ profile: http, listen: "0.0.0.0:1" }'), /^line 1: bundle_endpoints/],
    ['a name to listen on', endpoint('{ profile: https_spiffe, listen: "localhost:1" }'), /IP address and a port/],
    ['https_web without a certificate', endpoint('{ profile: https_web, listen: "0.0.0.0:1" }'), /bundle_endpoints/],
    [
      'FD-40 https_spiffe with one',
      endpoint('{ profile: https_spiffe, listen: "0.0.0.0:1", key: /k }'),
      /not a setting/,
    ],
    ['no path', endpoint('{ profile: https_spiffe, listen: "0.0.0.0:1", path: "x?y" }'), /path of a URL/],
    ['no SPIFFE ID', endpoint('{ profile: https_spiffe, listen: "0.0.0.0:1", spiffe_id: x }'), /SPIFFE ID/],
    [
      'no connections at all',
      endpoint('{ profile: https_spiffe, listen: "0.0.0.0:1", connections_per_second: 0 }'),
      /connections_per_second/,
    ],
    ['another place', 'bundle_publish: [{ to: ftp }]', /^line 1: bundle_publish/],
    ['a file by name', 'bundle_publish: [{ to: file, path: b.json }]', /absolute path/],
    ['a store without TLS', `bundle_publish: [${places[1]?.replace('https:', 'http:')}]`, /must be https/],
    ['a namespace that is a path', 'bundle_publish: [{ to: kubernetes, namespace: "../x", name: n }]', /Kubernetes/],
  ])('refuses %s', (_, yaml, message) => expect(refused(`${yaml}\n`)).toMatch(message));
});
