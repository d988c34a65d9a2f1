/** Where the authorities' private keys live. What is asked of such a place is little, so that HSM and KMS fit as well. */
import { createPublicKey, verify } from 'node:crypto';
import { IdentityError } from '../errors.ts';
import { generateKey, hashOf, type KeyType, type Signer, softwareSigner } from '../runtime/signer.ts';

export interface KeyStore {
  /** A new key under a name that has none; durable when it resolves. */
  create(name: string, keyType: KeyType): Promise<Signer>;
  /**
   * Undefined where there is none.
   * @param publicKey what the key must be the other half of; undefined for a key that was never published
   * @throws IdentityError 'data-loss' when the key is damaged or another one, saying where it lies
   */
  load(name: string, publicKey: Buffer | undefined): Promise<Signer | undefined>;
  /** Does nothing where there is none. */
  delete(name: string): Promise<void>;
  /** Every key of an authority that is there, and no other. */
  names(): Promise<readonly string[]>;
}

/** Keys that end with the process. */
export function memoryKeyStore(generate: typeof generateKey = generateKey): KeyStore {
  const keys = new Map<string, Signer>();
  return {
    create: async (name, keyType) => {
      const signer = softwareSigner(await generate(keyType));
      keys.set(name, signer);
      return signer;
    },
    load: async (name, publicKey) => {
      const signer = keys.get(name);
      if (signer !== undefined) await proveKey(signer, publicKey, `the key ${name}`);
      return signer;
    },
    delete: async (name) => void keys.delete(name),
    names: async () => [...keys.keys()],
  };
}

/** Both halves of a pair are stored side by side, and one of them may have changed: only a signature shows. */
export async function proveKey(signer: Signer, publicKey: Buffer | undefined, place: string): Promise<void> {
  if (publicKey !== undefined && !publicKey.equals(signer.publicKey)) {
    throw refused(`${place} is not the key that was published under this name`, 'key-swapped');
  }
  const signature = await signer.sign(probe, 'der');
  const key = createPublicKey({ key: signer.publicKey, format: 'der', type: 'spki' });
  if (!verify(hashOf(signer.keyType), probe, key, signature)) throw refused(`${place} is damaged`, 'key-damaged');
}

/** No certificate and no token begins like this: a signature over it is good for nothing else. */
const probe = Buffer.from('mayfly: is this the key that was published?');

export const refused = (fault: string, reason: 'key-swapped' | 'key-damaged', cause?: unknown): IdentityError =>
  new IdentityError(
    'data-loss',
    `${fault}, so nothing is signed with it: put it back from a backup. Without one, move it away and start again: ` +
      'a new key takes its place, and what the old one signed stays valid',
    { cause, reason },
  );
