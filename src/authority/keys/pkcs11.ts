/** Keys in a hardware security module, through PKCS#11. They are made there and never leave. */
import { failpoint } from '../../runtime/failpoint.ts';
import { CKO } from '../../runtime/pkcs11/attributes.ts';
import { missing, Pkcs11Token, type Session, type TokenSettings } from '../../runtime/pkcs11/token.ts';
import type { Signer } from '../../runtime/signer.ts';
import { type KeyStore, proveKey, refused } from '../keys.ts';
import { distantSigner, keyGone, keyTypeOfPublic, naming } from './elsewhere.ts';
import { destroyPair, findKeys, generatePair, labelOf, publicKeyOf, signDigest } from './pkcs11-objects.ts';

export function pkcs11KeyStore(settings: TokenSettings & { readonly prefix: string }): KeyStore {
  const token = new Pkcs11Token(settings);
  const { full, short } = naming(settings.prefix);
  return {
    create: async (name, keyType) => {
      await token.use((session) => generatePair(session, full(name), keyType));
      failpoint('key.generated');
      const signer = await find(token, full(name));
      if (signer === undefined) throw keyGone(full(name), token.name);
      return signer;
    },
    load: async (name, publicKey) => {
      const signer = await find(token, full(name));
      if (signer !== undefined) await proveKey(signer, publicKey, placeOf(token, full(name)));
      return signer;
    },
    delete: async (name) => {
      await token.search(
        (session) => destroyPair(session, full(name)),
        (destroyed) => destroyed === 0,
      );
      failpoint('key.removed');
    },
    names: async () => {
      const labels = await token.search(allLabels, ({ length }) => length === 0);
      return labels.map(short).filter((name) => name !== undefined);
    },
  };
}

const placeOf = (token: Pkcs11Token, label: string): string => `the key ${label} in ${token.name}`;

/** Undefined where there is no private half. */
async function find(token: Pkcs11Token, label: string): Promise<Signer | undefined> {
  const publicKey = await token.search(
    (session) => publicHalf(session, token, label),
    (found) => found === undefined,
  );
  if (publicKey === undefined) return undefined;
  const keyType = keyTypeOfPublic(publicKey);
  if (keyType === undefined) throw refused(`${placeOf(token, label)} is of another type than we make`, 'key-swapped');
  let known: { readonly generation: number; readonly object: bigint } | undefined;
  /** A handle is of one connection: after each new one the key is looked for again, and its signatures tell if it is. */
  const handle = async (session: Session): Promise<bigint> => {
    if (known?.generation === session.generation) return known.object;
    const object = await theOnly(session, CKO.PRIVATE_KEY, token, label);
    if (object === undefined) throw missing();
    known = { generation: session.generation, object };
    return object;
  };
  return distantSigner({
    keyType,
    publicKey,
    place: token.name,
    signDigest: (digest) => token.use(async (session) => signDigest(session, await handle(session), keyType, digest)),
  });
}

async function publicHalf(session: Session, token: Pkcs11Token, label: string): Promise<Buffer | undefined> {
  if ((await theOnly(session, CKO.PRIVATE_KEY, token, label)) === undefined) return undefined;
  const object = await theOnly(session, CKO.PUBLIC_KEY, token, label);
  if (object === undefined) throw refused(`${placeOf(token, label)} has lost its public half`, 'key-damaged');
  return publicKeyOf(session, object);
}

async function theOnly(session: Session, kind: number, token: Pkcs11Token, label: string): Promise<bigint | undefined> {
  const [object, another] = await findKeys(session, kind, label, 2);
  if (another !== undefined) throw refused(`${placeOf(token, label)} is there twice`, 'key-swapped');
  return object;
}

async function allLabels(session: Session): Promise<string[]> {
  const labels: string[] = [];
  for (const object of await findKeys(session, CKO.PRIVATE_KEY)) labels.push(await labelOf(session, object));
  return labels;
}
