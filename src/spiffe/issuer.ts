/**
 * The URL by which relying parties know who signs our tokens (OpenID Connect Discovery 1.0 section 3). It is compared byte
 * for byte wherever it is compared, so there is one spelling of it, and every other one is refused with the right one.
 */

export type Issuer = string & { readonly __brand: 'Issuer' };

/** What a federated credential at Entra takes, and less than anybody else does. */
const longestIssuer = 600;
const wellKnown = '/.well-known/openid-configuration';
const segment = /^(?!\.{1,2}$)[A-Za-z0-9._~-]+$/;

export const Issuer = {
  /** @throws TypeError saying what to write instead */
  parse(text: string): Issuer {
    if (text.length > longestIssuer) throw new TypeError(`must not be longer than ${longestIssuer} characters`);
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url === undefined || url.host === '') throw new TypeError('must look like https://id.example.org');
    const fault = faultOf(text, url);
    if (fault !== undefined) throw new TypeError(fault);
    return text as Issuer;
  },

  /** '' or '/path'. */
  path: (issuer: Issuer): string => (new URL(issuer).pathname === '/' ? '' : new URL(issuer).pathname),

  /** As trust policies of AWS name it. */
  withoutScheme: (issuer: Issuer): string => issuer.slice('https://'.length),

  keysUrl: (issuer: Issuer): string => `${issuer}/keys`,
};

/** The first rule that is broken, each with the spelling that would keep it. */
function faultOf(text: string, url: URL): string | undefined {
  const path = url.pathname.replace(/\/+$/, '');
  const normal = `https://${url.host}${path}`;
  // What has to be escaped grows, and is no correction.
  const right = normal.length > longestIssuer ? 'https://id.example.org' : normal;
  if (url.protocol !== 'https:') return `must be https: relying parties take nothing else: ${right}`;
  if (url.username !== '' || url.password !== '' || /^https:\/*[^/?#]*@/i.test(text)) {
    return `must not hold a user or a password: ${right}`;
  }
  if (/[?#]/.test(text)) return `must not have a query or a fragment: ${right}`;
  if (path.endsWith(wellKnown)) return `is the URL before the well-known part: ${right.slice(0, -wellKnown.length)}`;
  if (text.endsWith('/')) return `must not end with a slash: it is compared byte for byte: ${right}`;
  if (/^https:\/\/[^/]*:443(\/|$)/.test(text)) return `must not name the port that https has anyway: ${right}`;
  if (text !== normal) return `must be spelled as it is compared: ${right}`;
  const bad = path
    .split('/')
    .slice(1)
    .find((one) => !segment.test(one));
  if (bad !== undefined) return `has a path with ${JSON.stringify(bad)}: letters, digits and . _ ~ - only`;
  return undefined;
}
