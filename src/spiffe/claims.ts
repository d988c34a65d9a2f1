/** Claims beside those of a JWT-SVID, for an audience that acts on them: templates, filled in for each token. */
import { IdentityError } from '../errors.ts';
import { isArray, isObject, type Json, type JsonObject, parseJson } from './json.ts';
import { attestedFacts, type Facts, faultOfTemplate, filledIn, registeredFacts } from './template.ts';
import { faultOfText } from './text.ts';

/** JSON whose texts may name facts. */
export type ClaimTemplate = JsonObject;

const longestTemplate = 1024;
const deepest = 4;
/** Ours to say, or read by some relying party in place of what is: a foreign `azp` is taken for the audience by one. */
const reserved: ReadonlySet<string> = new Set([
  ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'azp', 'client_id', 'clientId', 'act', 'may_act', 'cnf'],
  ...['scope', 'scp', 'nonce', 'acr', 'amr', 'auth_time', 'sid'],
]);

/** Role sessions of AWS are tagged with these, and CloudTrail shows them; the trust policy must allow `sts:TagSession`. */
export const awsSession: ClaimTemplate = {
  'https://aws.amazon.com/tags': {
    principal_tags: { owner: ['{owner}'], entry: ['{entry}'], record: ['{jti}'] },
    transitive_tag_keys: ['owner', 'entry', 'record'],
  },
  'https://aws.amazon.com/source_identity': '{owner}',
};

/** @throws IdentityError 'invalid-argument' */
export function parseClaimTemplate(text: string): ClaimTemplate {
  if (Buffer.byteLength(text) > longestTemplate) throw refusal(`is longer than ${longestTemplate} bytes`);
  const template = objectOf(text);
  const taken = Object.keys(template).find((name) => reserved.has(name));
  if (taken !== undefined) throw refusal(`has ${taken}, which is said by us or not at all`);
  check(template, 0);
  return template;
}

function objectOf(text: string): JsonObject {
  try {
    const value = parseJson(Buffer.from(text));
    if (isObject(value)) return value;
  } catch (cause) {
    throw refusal('is not JSON', cause);
  }
  throw refusal('is not a JSON object');
}

const known = [...registeredFacts, ...attestedFacts];

function check(value: Json, depth: number): void {
  if (depth > deepest) throw refusal(`is nested deeper than ${deepest} levels`);
  if (typeof value === 'string') {
    const fault = faultOfText(value, longestTemplate) ?? faultOfTemplate(value, known);
    if (fault !== undefined) throw refusal(fault);
  }
  if (isArray(value)) for (const one of value) check(one, depth + 1);
  else if (isObject(value)) for (const one of Object.values(value)) check(one, depth + 1);
}

export function filledInClaims(template: ClaimTemplate, facts: Facts): JsonObject {
  return filled(template, facts) as JsonObject;
}

function filled(value: Json, facts: Facts): Json {
  if (typeof value === 'string') return filledIn(value, facts);
  if (isArray(value)) return value.map((one) => filled(one, facts));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, filled(one, facts)]));
}

const refusal = (fault: string, cause?: unknown): IdentityError =>
  new IdentityError('invalid-argument', `the claims template ${fault}`, { cause, reason: 'audience-claims' });
