/** What relying parties verify our tokens with, in the order in which they should meet it. */
import type { Log } from '../runtime/log.ts';
import { joseAlgorithm, type Signer } from '../runtime/signer.ts';
import { Watch } from '../runtime/watch.ts';
import { algorithmOf, type TokenKey } from '../spiffe/oidc.ts';
import type { AuthorityRecord, JournalContent } from './journal.ts';
import type { JwtKey } from './nested/trust.ts';
import { keyOf, signersOfTokens } from './publication.ts';
import type { AuthorityState } from './rotation.ts';
import { tokenCertificate } from './token-certificate.ts';

export interface TokenKeysParts {
  /** Token keys get a certificate besides. */
  readonly certifyTokenKeys: boolean;
  readonly log?: Pick<Log, 'info' | 'warn'> | undefined;
}

/** Those that sign now come first, because some read no further; a key that may be in other hands comes last. */
const ranks: readonly AuthorityState[] = ['active', 'prepared', 'old', 'tainted'];

type Told = Pick<JournalContent, 'authorities' | 'below' | 'above'>;

/** Nobody's signature is believed by a key of another kind, so one is not shown. */
function shownOf({ id, publicKey }: JwtKey): TokenKey[] {
  const key = keyOf(publicKey);
  const algorithm = algorithmOf(key);
  return algorithm === undefined ? [] : [{ keyId: id, publicKey: key, algorithm, signsNow: false }];
}

export class TokenKeys {
  readonly all = new Watch<readonly TokenKey[]>([]);
  readonly #parts: TokenKeysParts;
  readonly #certificates = new Map<string, Buffer>();

  constructor(parts: TokenKeysParts) {
    this.#parts = parts;
  }

  /** Ours, then those of the issuers below and above, who are believed for the same trust domain. */
  tell({ authorities, below, above }: Told): void {
    const known = signersOfTokens(authorities);
    for (const id of this.#certificates.keys()) if (!known.some((one) => one.id === id)) this.#certificates.delete(id);
    const ordered = known.toSorted(
      (a, b) => ranks.indexOf(a.state) - ranks.indexOf(b.state) || a.kind.length - b.kind.length,
    );
    const own = new Set(known.map(({ id }) => id));
    const others = [...below, ...(above?.jwtKeys ?? [])].filter(({ id }) => !own.has(id));
    this.all.set([...ordered.map((record) => this.#shown(record)), ...others.flatMap(shownOf)]);
  }

  /** A key that is away, or that signs no certificates, is served without one: few relying parties want it. */
  async certify(record: AuthorityRecord, signer: Signer | undefined): Promise<void> {
    if (!this.#parts.certifyTokenKeys || record.kind === 'x509' || signer === undefined) return;
    try {
      this.#certificates.set(record.id, await tokenCertificate(record, signer));
    } catch (err) {
      this.#parts.log?.warn({ err, authority: record.id }, 'this token key is served without a certificate');
    }
  }

  #shown({ id, publicKey, keyType, state }: AuthorityRecord): TokenKey {
    return {
      keyId: id,
      publicKey: keyOf(publicKey),
      algorithm: joseAlgorithm(keyType),
      signsNow: state === 'active',
      certificate: this.#certificates.get(id),
    };
  }
}
