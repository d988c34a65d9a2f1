/**
 * Notices when the key of an authority stops to sign and when it signs again, and says both once. Who asked for the
 * signature hears no more than that there is none.
 */
import { IdentityError } from '../../errors.ts';
import type { Log } from '../../runtime/log.ts';
import type { SignatureForm, Signer } from '../../runtime/signer.ts';

export interface Watched {
  readonly id: string;
  readonly kind: string;
  readonly place: string;
}

export class Vigil {
  readonly #failing = new Map<string, { readonly watched: Watched; readonly fault: unknown }>();
  readonly #log: Pick<Log, 'info' | 'warn'> | undefined;

  constructor(log: Pick<Log, 'info' | 'warn'> | undefined) {
    this.#log = log;
  }

  /** What the operator must know, in words. */
  get problem(): string | undefined {
    const [first] = this.#failing.values();
    if (first === undefined) return undefined;
    const { watched, fault } = first;
    const why = fault instanceof IdentityError ? fault.message : `internal error: ${fault}`;
    return `the ${watched.kind} authority ${watched.id} cannot sign: ${why}`;
  }

  isFailing(id: string): boolean {
    return this.#failing.has(id);
  }

  failed(watched: Watched, fault: unknown): void {
    const { id, kind, place } = watched;
    if (!this.#failing.has(id)) {
      const reason = fault instanceof IdentityError ? fault.reason : undefined;
      this.#log?.warn(
        { authority: id, use: kind, place, reason, err: fault },
        'an authority cannot sign: its key fails',
      );
    }
    this.#failing.set(id, { watched, fault });
  }

  works({ id, kind, place }: Watched): void {
    if (this.#failing.delete(id)) this.#log?.info({ authority: id, use: kind, place }, 'the authority signs again');
  }

  /** Nobody asks for its signatures any more. */
  forget(id: string): void {
    this.#failing.delete(id);
  }

  over(watched: Watched, signer: Signer): Signer {
    const sign = (bytes: Uint8Array, form: SignatureForm) => {
      const signature = signer.sign(bytes, form);
      return Buffer.isBuffer(signature) ? signature : this.#outcome(watched, signature);
    };
    return { keyType: signer.keyType, publicKey: signer.publicKey, sign };
  }

  async #outcome(watched: Watched, signature: Promise<Buffer>): Promise<Buffer> {
    try {
      const made = await signature;
      if (this.#failing.size > 0) this.works(watched);
      return made;
    } catch (fault) {
      this.failed(watched, fault);
      throw new IdentityError('unavailable', 'No authority can sign now', { cause: fault, reason: 'key-fails' });
    }
  }
}

/**
 * Stands in for a key whose place was away at the start: an authority is not given up because its token is not inserted
 * yet. Each signature looks whether it is there now.
 */
export function waitingSigner(
  { keyType, publicKey }: Pick<Signer, 'keyType' | 'publicKey'>,
  load: () => Promise<Signer | undefined>,
  absent: () => IdentityError,
): Signer {
  let found: Promise<Signer> | undefined;
  const find = async (): Promise<Signer> => {
    const signer = await load();
    if (signer === undefined) throw absent();
    return signer;
  };
  return {
    keyType,
    publicKey,
    sign: async (bytes, form) => {
      found ??= find();
      const signer = await found.catch((fault) => {
        found = undefined;
        throw fault;
      });
      return signer.sign(bytes, form);
    },
  };
}
