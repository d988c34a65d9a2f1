/** Where a relying party is, and what is said where it cannot be asked or refuses. */
import { type ErrorCode, IdentityError } from '../errors.ts';

export type RelyingReason =
  | 'relying-url'
  | 'relying-connection'
  | 'relying-proxy'
  | 'relying-certificate'
  | 'relying-time'
  | 'relying-redirect'
  | 'relying-size'
  | 'relying-type'
  | 'relying-refusal';

/** A refusal that knows whether asking again may help. */
export class RelyingError extends IdentityError {
  readonly passes: boolean;
  /** 0 where there was no answer. */
  readonly status: number;

  constructor(code: ErrorCode, message: string, about: { reason: RelyingReason; passes?: boolean; status?: number }) {
    super(code, message, { reason: about.reason });
    this.passes = about.passes === true;
    this.status = about.status ?? 0;
  }
}

/** `https://…`, or `http://` on this machine; no password in it. */
export function checkedUrl(text: string): URL {
  const url = URL.parse(text);
  const wrong = (rule: string): RelyingError =>
    new RelyingError('invalid-argument', `the endpoint ${nameOf(url, text)} ${rule}`, { reason: 'relying-url' });
  if (url === null) throw wrong('is not a URL: write https://host/path');
  if (url.username !== '' || url.password !== '') throw wrong('has a password in it: mayfly needs none');
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isThisMachine(url.hostname))) return url;
  throw wrong('is not https: a token would travel in the clear');
}

export const isThisMachine = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);

/** Without its query, in which some parties are told what must not be repeated. */
export const nameOf = (url: URL | null, text: string): string =>
  url === null ? JSON.stringify(text.replace(/[?#].*/s, '').slice(0, 128)) : `${url.origin}${url.pathname}`;
