/**
 * Names to addresses without a thread of the pool: `getaddrinfo` holds one for as long as a name server is silent, and a
 * few silent ones would hold up the disk. So /etc/hosts is read here and the rest is asked over the network by c-ares,
 * which can be called off.
 */
import { Resolver } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { IdentityError } from '../errors.ts';

/** Every address of a host; rejects where there is none, or when the signal aborts. */
export type Resolve = (hostname: string, signal: AbortSignal) => Promise<readonly string[]>;

const patience = { timeout: 2_000, tries: 2 };

export const resolveHost: Resolve = async (hostname, signal) => {
  const name = hostname.replace(/^\[|\]$/g, '');
  if (isIP(name) !== 0) return [name];
  const local = localAddresses(name);
  return local.length > 0 ? local : ask(name, signal);
};

async function ask(name: string, signal: AbortSignal): Promise<readonly string[]> {
  const resolver = new Resolver(patience);
  const give = (): void => resolver.cancel();
  signal.addEventListener('abort', give, { once: true });
  try {
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    if (addresses.length > 0) return addresses;
    const [first] = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as Error] : []));
    const code = (first as NodeJS.ErrnoException | undefined)?.code ?? 'no address';
    throw new IdentityError('unavailable', `the name ${name} cannot be resolved (${code})`, {
      cause: first,
      reason: 'fetch-name',
    });
  } finally {
    signal.removeEventListener('abort', give);
  }
}

/** RFC 6761 section 6.3: localhost is this host, whoever is asked. */
function localAddresses(name: string): string[] {
  if (name === 'localhost' || name.endsWith('.localhost')) return ['127.0.0.1', '::1'];
  return hostsFile().flatMap((line) => {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    return isIP(address) !== 0 && names.some((known) => known.toLowerCase() === name) ? [address] : [];
  });
}

function hostsFile(): readonly string[] {
  try {
    return readFileSync('/etc/hosts', 'utf8').split('\n');
  } catch {
    return [];
  }
}
