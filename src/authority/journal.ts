/**
 * Which authorities there are, durably: the bundle is what stands here. One JSON file, replaced as a whole; a checksum
 * over its content and one way to write it, so that a single wrong byte is refused and never believed.
 */
import { hash } from 'node:crypto';
import { IdentityError } from '../errors.ts';
import { readPrivateFile, writeFileAtomic } from '../runtime/files.ts';
import type { KeyType } from '../runtime/signer.ts';
import type { TrustDomain } from '../spiffe/id.ts';
import { type NestedContent, nestedOf, nothingNested, type StoredNested, storedNested } from './nested/trust.ts';
import type { AuthorityKind, AuthorityState, Lifecycle } from './rotation.ts';

export interface AuthorityRecord extends Lifecycle {
  readonly keyType: KeyType;
  /** Where its key is, see `KeyPlaces`. */
  readonly place: string;
  /** SubjectPublicKeyInfo: the key that is found under this id must be the other half of it, or it is refused. */
  readonly publicKey: Buffer;
  /** Of an X.509 authority. */
  readonly certificate: Buffer | undefined;
  /** Of an X.509 authority below another one. */
  readonly upstream: Upstream | undefined;
}

/** Who vouches for an intermediate authority. */
export interface Upstream {
  /** From its issuer upwards, without the roots. */
  readonly chain: readonly Buffer[];
  /** What is published for it; itself is not. */
  readonly roots: readonly Buffer[];
}

/** A key that is about to be made: noted before it exists, so that a crash leaves none that nobody knows of. */
export interface PlannedKey {
  readonly id: string;
  readonly kind: AuthorityKind;
  readonly keyType: KeyType;
  /** Where it is or will be. */
  readonly place: string;
}

export interface JournalContent extends NestedContent {
  /** Of the bundle; another number for every other content (SPIFFE bundle section 4.1.1). */
  readonly sequence: bigint;
  readonly planned: readonly PlannedKey[];
  /** Keys of authorities that are gone: to be deleted, and forgotten once they are. */
  readonly discarded: readonly Omit<PlannedKey, 'keyType'>[];
  readonly authorities: readonly AuthorityRecord[];
}

/** Where the journal lies. */
export interface JournalFile {
  readonly path: string;
  /** Undefined where there is none. */
  read(): Buffer | undefined;
  /** Durable when it returns. */
  write(text: string): void;
}

export class Journal {
  readonly #file: JournalFile;
  readonly #trustDomain: TrustDomain;
  #content: JournalContent;

  private constructor(file: JournalFile, trustDomain: TrustDomain, content: JournalContent) {
    this.#file = file;
    this.#trustDomain = trustDomain;
    this.#content = content;
  }

  /** @throws IdentityError 'data-loss' when it is damaged, 'failed-precondition' when it is another trust domain's */
  static open(file: JournalFile, trustDomain: TrustDomain): Journal {
    const bytes = file.read();
    return new Journal(file, trustDomain, bytes === undefined ? empty : parse(file.path, bytes, trustDomain));
  }

  get path(): string {
    return this.#file.path;
  }

  get content(): JournalContent {
    return this.#content;
  }

  /** Nothing was ever written. */
  get isNew(): boolean {
    return this.#content === empty;
  }

  /** After an error the content in memory is the old one; the file is the old or the new one, whole. */
  write(change: Partial<JournalContent>): void {
    const content = { ...this.#content, ...change };
    this.#file.write(format(this.#trustDomain, content));
    this.#content = content;
  }

  /** What the file says now: whoever is about to sign looks once more (R-PUB-1). */
  reread(): JournalContent {
    const bytes = this.#file.read();
    if (bytes === undefined) throw journalMissing(this.#file.path, 'disk');
    return parse(this.#file.path, bytes, this.#trustDomain);
  }
}

/** Some thousands of authorities; there are three or four of each kind. */
const longestJournal = 16 * 1024 * 1024;

export const diskJournal = (path: string): JournalFile => ({
  path,
  read: () => {
    try {
      return readPrivateFile(path, longestJournal);
    } catch (error) {
      if (error instanceof IdentityError && error.code === 'not-found') return undefined;
      throw error;
    }
  },
  write: (text) => writeFileAtomic(path, text),
});

/** Keys without the record of what they signed: to go on would take living SVIDs' authorities out of the bundle. */
export const journalMissing = (path: string, place: string): IdentityError =>
  new IdentityError(
    'data-loss',
    `${path} is missing and the keys it speaks of are not: put it back from a backup. ${missingAdvice(place)} and ` +
      'start again: new authorities are made, and peers refuse SVIDs of the old ones',
    { reason: 'journal-missing' },
  );

const missingAdvice = (place: string): string =>
  place === 'disk'
    ? 'Without one, move the .pem files out of keys/ as well'
    : `Where the keys in ${place} are another issuer's, choose another keys.prefix; where they are of no use any more, ` +
      'delete them there';

const empty: JournalContent = { sequence: 0n, planned: [], discarded: [], authorities: [], ...nothingNested };
const version = 3;
/** The first format knew the disk only, the second no issuers above and below. */
const readable: readonly number[] = [1, 2, version];

type Stored = Omit<AuthorityRecord, 'publicKey' | 'certificate' | 'upstream' | 'state'> & {
  readonly state: AuthorityState;
  readonly publicKey: string;
  readonly certificate?: string | undefined;
  readonly upstream?: { readonly chain: readonly string[]; readonly roots: readonly string[] } | undefined;
};

interface StoredJournal extends Pick<JournalContent, 'planned' | 'discarded'>, StoredNested {
  readonly version: number;
  readonly trustDomain: string;
  readonly sequence: string;
  readonly authorities: readonly Stored[];
}

function format(trustDomain: TrustDomain, content: JournalContent): string {
  const { sequence, planned, discarded, authorities } = content;
  const journal: StoredJournal = {
    version,
    trustDomain,
    sequence: `${sequence}`,
    planned,
    discarded,
    authorities: authorities.map((record) => ({
      ...record,
      publicKey: record.publicKey.toString('base64'),
      certificate: record.certificate?.toString('base64'),
      upstream: record.upstream && { chain: texts(record.upstream.chain), roots: texts(record.upstream.roots) },
    })),
    ...storedNested(content),
  };
  return sealed(journal);
}

const texts = (certificates: readonly Buffer[]): string[] => certificates.map((der) => der.toString('base64'));
const bytes = (certificates: readonly string[]): Buffer[] => certificates.map((text) => Buffer.from(text, 'base64'));

const sealed = (journal: StoredJournal): string =>
  `${JSON.stringify({ sha256: hash('sha256', JSON.stringify(journal)), journal }, undefined, 2)}\n`;

function parse(path: string, bytes: Buffer, trustDomain: TrustDomain): JournalContent {
  const journal = unsealed(path, bytes);
  if (!readable.includes(journal.version)) {
    const message = `${path} has format ${journal.version}, this mayfly reads format ${version}: run the one that wrote it`;
    throw new IdentityError('failed-precondition', message);
  }
  if (journal.trustDomain !== trustDomain) {
    const message = `${path} belongs to the trust domain ${journal.trustDomain}, not to ${trustDomain}: use another directory`;
    throw new IdentityError('failed-precondition', message);
  }
  return contentOf(journal);
}

/** What passes the checksum was written by `format`, so that it has the shape that `format` gives it. */
function unsealed(path: string, bytes: Buffer): StoredJournal {
  const text = bytes.toString('utf8');
  try {
    const { journal } = JSON.parse(text) as { journal: StoredJournal };
    if (sealed(journal) === text) return journal;
  } catch (cause) {
    throw damaged(path, cause);
  }
  throw damaged(path);
}

const contentOf = ({ sequence, planned, discarded, authorities, ...nested }: StoredJournal): JournalContent => ({
  sequence: BigInt(sequence),
  planned: planned.map(placed),
  discarded: discarded.map(placed),
  authorities: authorities.map((stored) => ({
    ...placed(stored),
    activatedAt: stored.activatedAt,
    retiredAt: stored.retiredAt,
    taintedAt: stored.taintedAt,
    publicKey: Buffer.from(stored.publicKey, 'base64'),
    certificate: stored.certificate === undefined ? undefined : Buffer.from(stored.certificate, 'base64'),
    upstream: stored.upstream && { chain: bytes(stored.upstream.chain), roots: bytes(stored.upstream.roots) },
  })),
  ...nestedOf(nested),
});

/** In the first format nothing says where a key is. */
const placed = <T extends { readonly place: string }>(stored: T): T => ({ ...stored, place: stored.place ?? 'disk' });

const damaged = (path: string, cause?: unknown): IdentityError =>
  new IdentityError(
    'data-loss',
    `${path} is damaged, so nothing is signed: put it back from a backup. Without one, move it and the .pem files in ` +
      'keys/ away and start again: new authorities are made, and peers refuse SVIDs of the old ones',
    { cause, reason: 'journal-damaged' },
  );
