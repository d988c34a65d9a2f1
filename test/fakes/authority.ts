import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { Authority, AuthorityEvent, AuthorityOptions, NestedEvent } from '../../src/authority/authority.ts';
import { Journal, type JournalContent, type JournalFile } from '../../src/authority/journal.ts';
import { type KeyStore, memoryKeyStore } from '../../src/authority/keys.ts';
import { IdentityError } from '../../src/errors.ts';
import { systemRandom } from '../../src/runtime/random.ts';
import type { Bundle } from '../../src/spiffe/bundle.ts';
import type { Entry } from '../../src/spiffe/entry.ts';
import { SpiffeId, TrustDomain } from '../../src/spiffe/id.ts';
import { verifyJwtSvid } from '../../src/spiffe/jwt-svid.ts';
import { verifyX509Svid } from '../../src/spiffe/x509-svid.ts';
import type { FakeClock } from './clock.ts';

export const trustDomain = TrustDomain.parse('example.org');

export const entryOf = (fields: Partial<Entry> = {}): Entry => ({
  id: 'entry',
  spiffeId: SpiffeId.parse('spiffe://example.org/web'),
  selectors: [],
  owner: 'ada',
  description: '',
  x509SvidTtlSeconds: 0,
  jwtSvidTtlSeconds: 0,
  dnsNames: [],
  subject: '',
  hint: '',
  federatesWith: [],
  audiences: ['*'],
  expiresAt: undefined,
  revision: 1,
  createdAt: 0,
  ...fields,
});

export const entry = entryOf();
export const publicKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
  type: 'spki',
  format: 'der',
});

/** One SVID of each kind, as somebody would hold it. */
export interface Held {
  readonly chain: Buffer;
  readonly token: string;
  readonly expiresAt: number;
}

export async function issueBoth(authority: Authority): Promise<Held> {
  const { chain, notAfter } = await authority.issueX509Svid(entry, publicKey);
  const { token, expiresAt } = await authority.issueJwtSvid(entry, ['aws']);
  return { chain, token, expiresAt: Math.min(notAfter, expiresAt) };
}

/** Throws unless somebody who has only the bundle believes both. */
export function verifyBoth({ chain, token }: Held, bundle: Bundle, at: number): void {
  verifyX509Svid([chain], () => bundle.x509Authorities, at);
  verifyJwtSvid(token, 'aws', () => bundle.jwtAuthorities, at);
}

export const states = (authority: Authority, kind: 'x509' | 'jwt' | 'jwt-rsa'): string[] =>
  authority.authorities().flatMap((one) => (one.kind === kind ? [one.state] : []));

export async function refusal(run: Promise<unknown>): Promise<IdentityError> {
  try {
    await run;
  } catch (error) {
    if (error instanceof IdentityError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** A memory key store that never waits for the thread pool, so that a fake clock drives everything. */
export const quickKeyStore = (): KeyStore =>
  memoryKeyStore(
    async (keyType): Promise<KeyObject> =>
      keyType.startsWith('rsa')
        ? generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
        : generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  );

/** The same for those who watch states and not signatures: finding primes takes its time. */
export const ellipticKeyStore = (): KeyStore =>
  memoryKeyStore(async (): Promise<KeyObject> => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);

/** A journal that survives the authority, as a disk would. */
export class MemoryJournal implements JournalFile {
  readonly path = 'authorities.json';
  bytes: Buffer | undefined;

  read(): Buffer | undefined {
    return this.bytes;
  }

  write(text: string): void {
    this.bytes = Buffer.from(text);
  }
}

/** Everything that outlives a process: what is on the disk, and what was put on record. */
export interface Machine {
  readonly clock: FakeClock;
  readonly journal: MemoryJournal;
  readonly keys: KeyStore;
  readonly events: AuthorityEvent[];
  /** The same of issuers above and below. */
  readonly nested: NestedEvent[];
}

export const machine = (clock: FakeClock): Machine => ({
  clock,
  journal: new MemoryJournal(),
  keys: quickKeyStore(),
  events: [],
  nested: [],
});

/** What a restart, or anybody who reads the disk, would publish. */
export const durable = ({ journal }: Machine): JournalContent => Journal.open(journal, trustDomain).content;

export const optionsOf = (on: Machine, options: Partial<AuthorityOptions> = {}): AuthorityOptions => ({
  directory: '/nowhere',
  trustDomain,
  clock: on.clock,
  random: systemRandom,
  caTtlSeconds: 60,
  x509KeyType: 'ec-p256',
  jwtKeyType: 'ec-p256',
  x509SvidTtlSeconds: 20,
  jwtSvidTtlSeconds: 20,
  record: async (event) => {
    if ('use' in event) on.events.push(event);
    else on.nested.push(event);
  },
  keyStore: on.keys,
  journalFile: on.journal,
  secondOpinion: { certificate: () => Promise.resolve(), tokenKey: () => Promise.resolve() },
  ...options,
});

/** The process dies at one call to the outside: before it is done, or right after. From then on nothing reaches it. */
export class Fuse {
  readonly #at: number;
  readonly #when: 'before' | 'after';
  #calls = 0;

  constructor(at: number, when: 'before' | 'after') {
    this.#at = at;
    this.#when = when;
  }

  get blown(): boolean {
    return this.#calls >= this.#at;
  }

  pass<T>(call: () => T): T {
    this.#calls += 1;
    if (this.#calls > this.#at || (this.#calls === this.#at && this.#when === 'before')) throw new Error('dead');
    const result = call();
    if (this.#calls === this.#at) throw new Error('dead');
    return result;
  }

  async passAsync<T>(call: () => Promise<T>): Promise<T> {
    this.#calls += 1;
    if (this.#calls > this.#at || (this.#calls === this.#at && this.#when === 'before')) throw new Error('dead');
    const result = await call();
    if (this.#calls === this.#at) throw new Error('dead');
    return result;
  }

  wire(options: AuthorityOptions, { journal, keys }: Machine): AuthorityOptions {
    return {
      ...options,
      record: (event) => this.passAsync(() => options.record(event)),
      journalFile: {
        path: journal.path,
        read: () => this.pass(() => journal.read()),
        write: (text) => this.pass(() => journal.write(text)),
      },
      keyStore: {
        create: (name, keyType) => this.passAsync(() => keys.create(name, keyType)),
        load: (name, publicKey) => this.passAsync(() => keys.load(name, publicKey)),
        delete: (name) => this.passAsync(() => keys.delete(name)),
        names: () => this.passAsync(() => keys.names()),
      },
    };
  }
}
