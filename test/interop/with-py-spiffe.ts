import type { Mayfly } from '../integration/fixture.ts';
import { check, holds, same } from './checks.ts';
import { id, py, trustDomain, users } from './stage.ts';

export async function pySpiffe(mayfly: Mayfly): Promise<void> {
  await check('EP-16 WA-08 py-spiffe X509Source gets its SVID, signed by a root of the bundle', async () => {
    const [svid] = await py(mayfly, users.python, 'x509-source');
    same('id', svid?.['id'], id('python'));
    holds('at least one root', Number(svid?.['roots']) >= 1);
  });

  await check('XR-20 py-spiffe reads the X.509 bundles', async () => {
    const bundles = await py(mayfly, users.python, 'x509-bundles');
    same(
      'trust domains',
      bundles.map((bundle) => bundle['trustDomain']),
      [trustDomain],
    );
  });

  await check('JR-13 py-spiffe JwtSource fetches a token and validates it by the bundle', async () => {
    const [token] = await py(mayfly, users.python, 'jwt-source', 'reports');
    same('id', token?.['id'], id('python'));
    same('audience', token?.['audience'], ['reports']);
  });

  await check(
    'JR-24 JR-30 py-spiffe has the server validate: right for its audience, InvalidArgument for another',
    async () => {
      const [validated] = await py(mayfly, users.python, 'jwt-validate', 'reports');
      same('id', validated?.['id'], id('python'));
      holds('INVALID_ARGUMENT', String(validated?.['refused']).includes('INVALID_ARGUMENT'));
    },
  );

  await check('EP-22 py-spiffe under a user without an entry is refused in words it knows', async () => {
    const [denied] = await py(mayfly, users.stranger, 'denied');
    holds('PERMISSION_DENIED', String(denied?.['refused']).includes('PERMISSION_DENIED'));
  });

  await check('EP-10 EP-11 grpcio: only the one header with the value true is let in', async () => {
    for (const answer of await py(mayfly, users.python, 'metadata')) {
      same(`header ${answer['header']}`, answer['code'], answer['header'] === 'true' ? 'OK' : 'INVALID_ARGUMENT');
    }
  });
}

export async function pyRotation(mayfly: Mayfly): Promise<void> {
  await check('WA-13 XR-19 py-spiffe X509Source is updated under a running program', async () => {
    const [updates] = await py(mayfly, users.python, 'x509-updates', '2');
    const serials = updates?.['serials'] as string[];
    holds('a new serial came', new Set(serials).size > 1);
  });
}
