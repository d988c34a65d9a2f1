import type { Mayfly } from '../integration/fixture.ts';
import { check, holds, same } from './checks.ts';
import { generic } from './stage.ts';

const methods = {
  FetchJWTBundles: 'JWTBundlesRequest -> stream JWTBundlesResponse',
  FetchJWTSVID: 'JWTSVIDRequest -> JWTSVIDResponse',
  FetchWITBundles: 'WITBundlesRequest -> stream WITBundlesResponse',
  FetchWITSVID: 'WITSVIDRequest -> stream WITSVIDResponse',
  FetchX509Bundles: 'X509BundlesRequest -> stream X509BundlesResponse',
  FetchX509SVID: 'X509SVIDRequest -> stream X509SVIDResponse',
  ValidateJWTSVID: 'ValidateJWTSVIDRequest -> ValidateJWTSVIDResponse',
};

const messages = {
  JWTBundlesRequest: '',
  JWTBundlesResponse: '1 map<string, bytes> bundles',
  JWTSVID: '1 string spiffe_id, 2 string svid, 3 string hint',
  JWTSVIDRequest: '1 repeated string audience, 2 string spiffe_id',
  JWTSVIDResponse: '1 repeated JWTSVID svids',
  ValidateJWTSVIDRequest: '1 string audience, 2 string svid',
  ValidateJWTSVIDResponse: '1 string spiffe_id, 2 google.protobuf.Struct claims',
  WITBundlesRequest: '',
  WITBundlesResponse: '1 map<string, string> bundles',
  WITSVID: '1 string spiffe_id, 2 string wit_svid, 3 string wit_svid_key, 4 string hint',
  WITSVIDRequest: '1 string spiffe_id',
  WITSVIDResponse: '1 repeated WITSVID svids',
  X509BundlesRequest: '',
  X509BundlesResponse: '1 repeated bytes crl, 2 map<string, bytes> bundles',
  X509SVID: '1 string spiffe_id, 2 bytes x509_svid, 3 bytes x509_svid_key, 4 bytes bundle, 5 string hint',
  X509SVIDRequest: '',
  X509SVIDResponse: '1 repeated X509SVID svids, 2 repeated bytes crl, 3 map<string, bytes> federated_bundles',
};

export async function genericGrpc(mayfly: Mayfly): Promise<void> {
  for (const version of ['v1', 'v1alpha']) {
    await check(`EP-31 EP-28 reflection ${version}: a generic client finds SpiffeWorkloadAPI and health`, async () => {
      const [services] = await generic(mayfly, 'list', version);
      for (const name of ['SpiffeWorkloadAPI', 'grpc.health.v1.Health']) {
        holds(`${name} is listed`, (services as string[]).includes(name));
      }
    });

    await check(
      `EP-29 WA-06 WA-07 WA-08 reflection ${version}: seven methods and the fields of the table, no more`,
      async () => {
        const [described] = await generic(mayfly, 'describe', version, 'SpiffeWorkloadAPI');
        const { package: name, syntax, services, ...rest } = described as Record<string, unknown>;
        same('package, syntax, services', [name, syntax, services], ['', 'proto3', 1]);
        same('imports', rest['imports'], ['google/protobuf/struct.proto']);
        same('methods', Object.entries(rest['methods'] ?? {}).toSorted(), Object.entries(methods).toSorted());
        same('messages', Object.entries(rest['messages'] ?? {}).toSorted(), Object.entries(messages).toSorted());
      },
    );
  }

  await check('EP-30 health: a generic client is told SERVING', async () => {
    same('health', await generic(mayfly, 'health'), ['SERVING']);
    same('health of the API', await generic(mayfly, 'health', 'SpiffeWorkloadAPI'), ['SERVING']);
  });
}
