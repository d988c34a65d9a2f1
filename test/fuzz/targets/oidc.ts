/** What operators write about relying parties: the issuer's URL, and what tokens for an audience are like. */
import { checkAudience } from '../../../src/spiffe/audience.ts';
import { awsSession, filledInClaims } from '../../../src/spiffe/claims.ts';
import { Issuer } from '../../../src/spiffe/issuer.ts';
import { promise, type Target, texts } from '../engine/target.ts';

export const issuerUrl: Target = {
  seeds: texts(
    ...['https://id.example.org', 'https://id.example.org/', 'http://a', 'https://a:443/b', 'https://[::1]:8443/a/b'],
    ...[
      'https://A',
      'https://a/../b',
      'https://a/%2e',
      'https://@a',
      'https://a?',
      'https://a#',
      'https:a',
      'https://a\\b',
    ],
    ...[
      'https://xn--a',
      'https://\u00e4.example',
      'https://a/.well-known/openid-configuration',
      'https://1',
      'https://a//',
    ],
  ),
  run: (input) => {
    const issuer = parsed(input.toString('utf8'));
    if (issuer === undefined) return;
    const url = new URL(issuer);
    promise(`https://${url.host}${Issuer.path(issuer)}` === issuer, 'what is taken is spelled as it is compared');
    promise(!/[?#@\s%]|\/$/.test(issuer), 'and has nothing in it that somebody could read otherwise');
    promise(new URL(`${issuer}/keys`).pathname === `${Issuer.path(issuer)}/keys`, 'and can be gone on from');
  },
};

/** Settings are told with the place where they stand, by whoever read the file. */
function parsed(text: string): Issuer | undefined {
  try {
    return Issuer.parse(text);
  } catch (error) {
    promise(error instanceof TypeError && error.message.length < 1_500, 'it says what to write, in a sentence');
    return undefined;
  }
}

const facts = { owner: 'ada', spiffe_id: 'spiffe://example.org/a', jti: 'j' };

export const audience: Target = {
  seeds: texts(
    JSON.stringify(awsSession),
    ...['{"groups":["owner:{owner}"]}', '{"a":"{"}', '{"a":"{{owner}}"}', '{"sub":"x"}', '{"__proto__":{"sub":"x"}}'],
    ...['{"a":1e999}', '{"a":[[[[[1]]]]]}', '[]', '{"a":"{owner}{owner}{jti}"}', '{"a":12345678901234567890}'],
  ),
  run: (input) => {
    const draft = { name: 'a', audiences: ['b'], algorithm: '', ttlSeconds: 0, singleUse: false, derivedTtlSeconds: 0 };
    const { claims } = checkAudience({ ...draft, claims: input.toString('utf8') });
    const filled = JSON.stringify(filledInClaims(claims ?? {}, facts));
    const read = JSON.parse(filled) as object;
    promise(
      !['iss', 'sub', 'aud', 'azp', 'exp'].some((name) => Object.hasOwn(read, name)),
      'what is ours to say stays ours',
    );
    promise(filled.length < 16 * 1024, 'it does not grow without end');
  },
};
