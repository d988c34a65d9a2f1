/** What a relying party says when it refuses, in its own words, made fit to be shown. */
import type { RelyingAnswer, RelyingRequest } from './http.ts';

const longestFault = 400;
/** Shorter values are names, scopes and grants, which an error may well repeat. */
const shortestSecret = 24;

/** Undefined where the answer says of no error; status 200 is no proof that there is none. */
export function faultOf(answer: RelyingAnswer, request: RelyingRequest): string | undefined {
  const done = answer.status >= 200 && answer.status < 300;
  const said = request.fault?.(answer.body, answer.headers) ?? jsonFault(answer.body, done);
  return said === undefined ? undefined : printed(withoutSecrets(said, request));
}

/**
 * RFC 6749 section 5.2, Google's and AWS's JSON, Vault's `errors`, Kubernetes' Status.
 * @param done by the status all is well: then a `message` is no error
 */
export function jsonFault(body: string, done: boolean): string | undefined {
  const value = parsed(body);
  if (value === undefined) return undefined;
  const { error, error_description, errors, message } = value;
  if (typeof error === 'string') return [error, text(error_description)].filter(Boolean).join(': ');
  if (isObject(error))
    return [text(error['status'] ?? error['type']), text(error['message'])].filter(Boolean).join(': ') || 'an error';
  if (Array.isArray(errors) && errors.length > 0) return errors.map(text).filter(Boolean).join('; ');
  if (done) return undefined;
  const named = text(value['__type'] ?? value['code'] ?? value['Code'] ?? value['reason']);
  const words = text(message ?? value['Message']);
  return words === '' ? undefined : [named, words].filter(Boolean).join(': ');
}

function parsed(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const text = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');

/** A party that repeats what it was sent does not get it into our log: neither the parts of the body, nor anything like a token. */
function withoutSecrets(said: string, { body = '', headers = {} }: RelyingRequest): string {
  const sent = [...sentValues(body), ...Object.values(headers)].filter((value) => value.length >= shortestSecret);
  const bare = sent.reduce((left, value) => left.replaceAll(value, '…'), said);
  // A token begins where a word does: looked for anywhere else, a long word costs its length squared.
  return bare.replaceAll(/(?<![\w-])ey[\w-]{6,}\.[\w-]{8,}(\.[\w-]*)?/g, '…');
}

function sentValues(body: string): string[] {
  const json = parsed(body);
  const values = json === undefined ? [...new URLSearchParams(body).values()] : Object.values(json);
  return values.filter((value) => typeof value === 'string');
}

const printed = (said: string): string => {
  const line = said.replaceAll(/[\s\p{C}]+/gu, ' ').trim();
  return line.length > longestFault ? `${line.slice(0, longestFault)}…` : line;
};
