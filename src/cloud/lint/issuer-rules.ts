/** Rules about the issuer's URL, its discovery document and its keys. */
import { isIP } from 'node:net';
import { isPermitted } from '../../runtime/addresses.ts';
import { Issuer } from '../../spiffe/issuer.ts';
import { isArray, type JsonObject } from '../../spiffe/json.ts';
import { type Document, type Evidence, keysIn } from './evidence.ts';
import type { Rule } from './rules.ts';

const takesTokens: Rule['applies'] = ({ byCertificate }) => byCertificate !== true;
const clouds: Rule['applies'] = (party) => takesTokens(party) && party.fromInternet;

/** AWS gives up after some five seconds. */
const slowMs = 5_000;
const mostKeys = 100;

export const issuerRules: readonly Rule[] = [
  {
    name: 'issuer-form',
    needs: 'issuer',
    applies: takesTokens,
    fault: ({ issuer }) => faultOfIssuer(issuer),
    fix: 'set `issuer` to the one spelling, and register it in that spelling',
  },
  {
    name: 'issuer-public',
    needs: 'issuer',
    applies: clouds,
    fault: ({ issuer }) => faultOfHost(issuer),
    fix: 'use a host that the internet resolves and port 443, or export to a bucket: mayfly oidc export',
  },
  {
    name: 'discovery',
    needs: 'discovery',
    applies: takesTokens,
    fault: ({ discovery }) => discovery.problem ?? faultOfDelivery(discovery.value),
    fix: 'serve it at the issuer URL itself, with 200, as application/json, in less than 5 s; see issuer_listen',
  },
  {
    name: 'discovery-issuer',
    needs: 'discovery',
    applies: takesTokens,
    fault: ({ issuer, discovery }) =>
      discovery.value?.body['issuer'] === issuer
        ? undefined
        : `it says ${JSON.stringify(discovery.value?.body['issuer'])}`,
    fix: 'the document is another issuer’s or an old one: look at proxies and caches between, export again',
  },
  {
    name: 'tls-chain',
    needs: 'discovery',
    applies: clouds,
    fault: ({ ownRoots }) => (ownRoots ? 'its certificate was believed because of --ca alone' : undefined),
    fix: 'use a certificate of a public authority, with its intermediates in issuer_cert',
  },
  {
    name: 'keys',
    needs: 'keys',
    applies: takesTokens,
    fault: (evidence) =>
      evidence.keys.problem ??
      faultOfDelivery(evidence.keys.value) ??
      (keysIn(evidence).length === 0 ? 'no key' : undefined),
    fix: 'serve jwks_uri as discovery is served',
  },
  {
    name: 'key-members',
    needs: 'keys',
    applies: takesTokens,
    fault: (evidence) =>
      keysIn(evidence)
        .map(faultOfKey)
        .find((fault) => fault !== undefined) ?? faultOfIds(evidence),
    fix: 'publish EC and RSA keys only, each with its own kid, use sig and alg: what mayfly serves, and nothing beside it',
  },
  {
    name: 'key-count',
    needs: 'keys',
    applies: takesTokens,
    fault: (evidence) => (keysIn(evidence).length > mostKeys ? `${keysIn(evidence).length} keys` : undefined),
    fix: `serve at most ${mostKeys}: share one issuer among servers, make jwt_ca_ttl longer`,
  },
  {
    name: 'caching',
    needs: 'keys',
    applies: takesTokens,
    fault: ({ keys }) => faultOfCaching(String(keys.value?.headers['cache-control'] ?? '')),
    fix: 'let caches keep the keys for some minutes: public, max-age=300',
  },
  {
    name: 'first-key-certificate',
    needs: 'keys',
    applies: ({ firstCertificate }) => firstCertificate === true,
    fault: (evidence) => (isArray(keysIn(evidence)[0]?.['x5c']) ? undefined : 'the first key has no x5c'),
    fix: 'set issuer_x5c: true',
  },
];

function faultOfIssuer(issuer: string): string | undefined {
  try {
    Issuer.parse(issuer);
    return undefined;
  } catch (error) {
    return `it ${error instanceof Error ? error.message : String(error)}`;
  }
}

function faultOfHost(issuer: string): string | undefined {
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
  const host = url?.hostname.replace(/^\[|\]$/g, '') ?? '';
  if (host === 'localhost' || !host.includes('.') || host.endsWith('.local') || host.endsWith('.internal')) {
    return `${host} is a name that only this network knows`;
  }
  if (isIP(host) !== 0 && !isPermitted(host, false)) return `${host} is not an address of the internet`;
  return url?.port === '' ? undefined : `it names port ${url?.port}`;
}

function faultOfDelivery(document: Document | undefined): string | undefined {
  if (document === undefined) return 'it is not there';
  const type = String(document.headers['content-type'] ?? '')
    .split(';')[0]
    ?.trim();
  if (type !== 'application/json') return `its content type is ${JSON.stringify(type)}`;
  return document.ms > slowMs ? `it took ${Math.round(document.ms)} ms` : undefined;
}

function faultOfKey(key: JsonObject): string | undefined {
  const { kty, kid, use, alg } = key;
  if (kty !== 'EC' && kty !== 'RSA') return `a key of type ${JSON.stringify(kty)} makes some refuse the whole set`;
  if (typeof kid !== 'string' || kid === '') return 'a key has no kid';
  if (use !== 'sig') return `the use of key ${kid} is ${JSON.stringify(use)}`;
  if (typeof alg !== 'string') return `key ${kid} has no alg`;
  return ['d', 'p', 'q', 'k'].some((name) => name in key)
    ? `key ${kid} is a private key: replace it at once`
    : undefined;
}

function faultOfIds(evidence: Evidence): string | undefined {
  const ids = keysIn(evidence).map(({ kid }) => kid);
  return new Set(ids).size === ids.length ? undefined : 'two keys have the same kid';
}

const longestCacheSeconds = 3_600;

function faultOfCaching(header: string): string | undefined {
  if (/no-store|no-cache|private/.test(header)) return `${header}: every check of a token asks us`;
  const [, seconds = '0'] = /max-age=(\d+)/.exec(header) ?? [];
  return Number(seconds) > longestCacheSeconds ? `${header}: a new key is unknown for that long` : undefined;
}
