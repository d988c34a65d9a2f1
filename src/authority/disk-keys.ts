import { hash } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { IdentityError } from '../errors.ts';
import { failpoint } from '../runtime/failpoint.ts';
import {
  ensurePrivateDirectory,
  readPrivateFile,
  storageError,
  syncDirectory,
  writeFileAtomic,
} from '../runtime/files.ts';
import { generateKey, type Signer, signerOfPkcs8 } from '../runtime/signer.ts';
import { decodePem, encodePem } from '../x509/pem.ts';
import { type KeyStore, proveKey, refused } from './keys.ts';

/** One PKCS#8 file per key, mode 0600, in a directory that nobody else can enter (R-KEY-1). */
export function diskKeyStore(directory: string): KeyStore {
  ensurePrivateDirectory(directory);
  const pathOf = (name: string): string => {
    if (!nameShape.test(name)) throw new TypeError('a key is named by its kind and its id');
    return join(directory, `${name}${extension}`);
  };
  return {
    create: async (name, keyType) => {
      const key = (await generateKey(keyType)).export({ format: 'der', type: 'pkcs8' });
      failpoint('key.generated');
      writeFileAtomic(pathOf(name), textOf(key));
      return signerOfPkcs8(key);
    },
    load: async (name, publicKey) => {
      const path = pathOf(name);
      const text = readIfThere(path);
      if (text === undefined) return undefined;
      const signer = signerOf(path, text);
      await proveKey(signer, publicKey, path);
      return signer;
    },
    delete: async (name) => remove(directory, pathOf(name)),
    names: async () =>
      readdirSync(directory)
        .filter((file) => file.endsWith(extension))
        .map((file) => file.slice(0, -extension.length))
        .filter((name) => nameShape.test(name)),
  };
}

const nameShape = /^(?:x509|jwt|jwt-rsa)-[0-9a-f]{32}$/;
const extension = '.pem';
/** RSA with 4096 bits has some 3,300 bytes. */
const longestFile = 16 * 1024;

/** A checksum in front, where PEM has room for remarks: a private exponent may change and still look like a key. */
const textOf = (key: Buffer): string => `SHA-256: ${hash('sha256', key)}\n${encodePem('PRIVATE KEY', key)}`;

function readIfThere(path: string): string | undefined {
  try {
    return readPrivateFile(path, longestFile).toString('latin1');
  } catch (error) {
    if (error instanceof IdentityError && error.code === 'not-found') return undefined;
    throw error;
  }
}

function signerOf(path: string, text: string): Signer {
  try {
    const [key] = decodePem('PRIVATE KEY', text);
    if (key !== undefined && textOf(key) === text) return signerOfPkcs8(key);
  } catch (cause) {
    throw refused(`${path} is damaged`, 'key-damaged', cause);
  }
  throw refused(`${path} is damaged`, 'key-damaged');
}

function remove(directory: string, path: string): void {
  try {
    rmSync(path, { force: true });
    failpoint('key.removed');
    syncDirectory(directory);
  } catch (error) {
    throw storageError(error, `cannot delete ${path}`);
  }
}
