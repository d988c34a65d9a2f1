import { type Mayfly, until } from '../integration/fixture.ts';
import { check, holds, same } from './checks.ts';
import { createEntry, go, id, trustDomain, users } from './stage.ts';

const all = [
  'FetchJWTBundles',
  'FetchJWTSVID',
  'FetchWITBundles',
  'FetchWITSVID',
  'FetchX509Bundles',
  'FetchX509SVID',
  'ValidateJWTSVID',
];

/** What each of the seven calls answered, by name. */
async function statuses(mayfly: Mayfly, uid: number, ...header: string[]): Promise<Record<string, unknown>> {
  const lines = await go(mayfly, uid, 'status', ...header);
  return Object.fromEntries(lines.map((line) => [line['call'], line['code']]));
}

export async function goSpiffe(mayfly: Mayfly): Promise<void> {
  await check('EP-16 EP-03 WA-08 go-spiffe X509Source gets its SVID and verifies it by the bundle', async () => {
    const [svid] = await go(mayfly, users.goClient, 'x509-source');
    same('id', svid?.['id'], id('go-client'));
    holds('at least one root', Number(svid?.['roots']) >= 1);
  });

  await check('XR-02 WA-30 WA-31 go-spiffe sees three identities in order, each with its hint', async () => {
    const svids = await go(mayfly, users.many, 'x509-svids');
    same(
      'ids',
      svids.map((svid) => svid['id']),
      ['primary', 'secondary', 'third'].map((name) => id(`many/${name}`)),
    );
    same(
      'hints',
      svids.map((svid) => svid['hint']),
      ['primary', 'secondary', 'third'],
    );
  });

  await check('XR-20 XR-13 go-spiffe reads the X.509 bundles', async () => {
    const [bundle, ...others] = await go(mayfly, users.goClient, 'x509-bundles');
    same('trust domain', bundle?.['trustDomain'], trustDomain);
    same('others', others, []);
  });

  await check('JR-13 JR-04 go-spiffe JWTSource fetches a token and validates it, for its audience alone', async () => {
    const [token] = await go(mayfly, users.goClient, 'jwt-source', 'reports');
    same('id', token?.['id'], id('go-client'));
    same('audience', token?.['audience'], ['reports']);
  });

  await check('JR-05 JR-06 JR-12 go-spiffe gets a token for each identity, or for the one it names', async () => {
    const tokens = await go(mayfly, users.many, 'jwt-svids', 'bench-7');
    same(
      'ids',
      tokens.map((token) => token['id']),
      ['primary', 'secondary', 'third'].map((name) => id(`many/${name}`)),
    );
    const named = await go(mayfly, users.many, 'jwt-svids', 'reports', id('many/third'));
    same(
      'named',
      named.map((token) => token['id']),
      [id('many/third')],
    );
  });

  await check('JR-15 JR-16 JR-18 go-spiffe reads the JWT bundles', async () => {
    const [bundle] = await go(mayfly, users.goClient, 'jwt-bundles');
    same('trust domain', bundle?.['trustDomain'], trustDomain);
    holds('at least one key', Number(bundle?.['keys']) >= 1);
  });

  await check('JR-27 JR-31 go-spiffe has the server validate a token', async () => {
    const [token] = await go(mayfly, users.goClient, 'jwt-svids', 'reports');
    const [validated] = await go(mayfly, users.goServer, 'jwt-validate', String(token?.['token']), 'reports');
    same('id', validated?.['id'], id('go-client'));
    const refused = await go(mayfly, users.goServer, 'jwt-validate', String(token?.['token']), 'others').catch(String);
    holds('refused with InvalidArgument for another audience', String(refused).includes('InvalidArgument'));
  });

  await check(
    'EP-08 EP-09 EP-10 EP-11 gRPC for Go without the right header gets InvalidArgument from all seven',
    async () => {
      const expected = Object.fromEntries(all.map((name) => [name, 'InvalidArgument']));
      for (const header of [[], ['True'], ['1'], ['true', 'true']]) {
        for (const uid of [users.goClient, users.stranger]) {
          const answers = await statuses(mayfly, uid, ...header);
          same(`header ${header.join('+') || 'absent'}`, sorted(answers), sorted(expected));
        }
      }
    },
  );

  await check(
    'EP-22 WR-01 gRPC for Go: a stranger gets PermissionDenied, and the WIT profile is Unimplemented',
    async () => {
      const { ValidateJWTSVID: _, ...answers } = await statuses(mayfly, users.stranger, 'true');
      const denied = all
        .filter((name) => !name.startsWith('FetchWIT') && name !== 'ValidateJWTSVID')
        .map((name) => [name, 'PermissionDenied']);
      const expected = {
        ...Object.fromEntries(denied),
        FetchWITSVID: 'Unimplemented',
        FetchWITBundles: 'Unimplemented',
      };
      same('statuses', sorted(answers), sorted(expected));
    },
  );

  await check('WR-01 WR-02 the WIT source of go-spiffe gives up at once', async () => {
    same('code', await go(mayfly, users.goClient, 'wit'), [{ code: 'Unimplemented' }]);
  });

  await check('EP-26 WA-13 go-spiffe that came too early gets its SVID as soon as the entry is there', async () => {
    const watching = go(mayfly, users.late, 'x509-watch', '1');
    await until('it was refused', async () => {
      const refusals = await mayfly.operator.records({ kind: 'attestation.refused' });
      return refusals.some(({ json }) => json.includes(`"uid":${users.late}`));
    });
    await createEntry(mayfly, id('late'), users.late);
    const lines = await watching;
    holds(
      'it was refused first',
      lines.some((line) => line['retrying'] === 'PermissionDenied'),
    );
    holds(
      'it got its identity',
      lines.some((line) => line['id'] === id('late')),
    );
  });
}

export async function goRotation(mayfly: Mayfly): Promise<void> {
  await check(
    'XR-19 XR-11 XR-23 go-spiffe follows six renewals: each verifies, none is old, keys and serials are new',
    async () => {
      const lines = (await go(mayfly, users.goClient, 'x509-watch', '6')).filter((line) => 'id' in line);
      same('updates', lines.length, 6);
      for (const line of lines) holds('not expired on arrival', Number(line['notAfter']) > Number(line['at']));
      const leaves = new Map(lines.map((line) => [line['serial'], line['keyId']]));
      same('keys', new Set(leaves.values()).size, leaves.size);
      holds('it was renewed', leaves.size > 1);
    },
  );
}

const sorted = (answers: Record<string, unknown>): [string, unknown][] => Object.entries(answers).toSorted();
