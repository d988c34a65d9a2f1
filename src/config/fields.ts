/** Checks that settings have in common. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { formatDuration, parseDuration } from '../runtime/duration.ts';

/** Adds zod's place and a sentence to what our own parsers refuse. */
export const parsed = <T>(parse: (text: string) => T) =>
  z.string().transform((text, context) => {
    try {
      return parse(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  });

/** Seconds, written as 30s, 5m, 1h, 7d or a number. */
export const duration = (shortest: number, longest = Infinity) =>
  z
    .union([z.number().int().transform(String), z.string()])
    .pipe(parsed(parseDuration))
    .refine((seconds) => seconds >= shortest, `must be at least ${formatDuration(shortest)}`)
    .refine((seconds) => seconds <= longest, `must be at most ${formatDuration(Math.min(longest, longestSeconds))}`);

const longestSeconds = 2 ** 32 - 1;

export const absolutePath = z.string().refine((path) => path.startsWith('/'), 'must be an absolute path');

/** Without TLS only to this very host, where an agent of the service may listen. */
export const serviceAddress = parsed((text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const local = url?.hostname === '[::1]' || (isIP(url?.hostname ?? '') === 4 && url?.hostname.startsWith('127.'));
  if (url?.protocol !== 'https:' && !(url?.protocol === 'http:' && local)) {
    throw new TypeError('must be https://HOST:PORT; http:// on a loopback address only, as in http://127.0.0.1:8200');
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new TypeError('must be an address and nothing more: no user, no password, no query');
  }
  return text.replace(/\/+$/, '');
});

/** An address to listen on, not a name: a name may lead elsewhere tomorrow. */
export const listenAddress = z.string().refine((text) => addressOf(text) !== undefined, {
  error: 'must be an IP address and a port, as in 0.0.0.0:8443',
});

export function addressOf(text: string): { readonly host: string; readonly port: number } | undefined {
  const [, six, four, digits] = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text) ?? [];
  const [host, port] = [six ?? four ?? '', Number(digits)];
  return isIP(host) !== 0 && port <= 65_535 ? { host, port } : undefined;
}
