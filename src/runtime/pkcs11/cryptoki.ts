/**
 * A PKCS#11 module (version 2.40), loaded into this process. Every call runs in Node's thread pool, because a token may
 * take its time; buffers that a call writes into are held by whoever waits for it.
 */
import { statSync } from 'node:fs';
import koffi, { type LibraryHandle, type TypeObject } from 'koffi';
import { IdentityError } from '../../errors.ts';
import { CKR, describeReturn } from './returns.ts';

/** CK_ULONG and pointers: this code knows LP64 only, as Linux has it on x86-64 and arm64. */
export const wordBytes = 8;

/** Name, place in CK_FUNCTION_LIST, and arguments: `n` is a CK_ULONG or a handle, `b` a CK_BBOOL, `p` points somewhere. */
const functions = {
  C_Initialize: [0, 'p'],
  C_Finalize: [1, 'p'],
  C_GetSlotList: [4, 'bpp'],
  C_GetTokenInfo: [6, 'np'],
  C_OpenSession: [12, 'nnppp'],
  C_CloseSession: [13, 'n'],
  C_Login: [18, 'nnpn'],
  C_DestroyObject: [22, 'nn'],
  C_GetAttributeValue: [24, 'nnpn'],
  C_FindObjectsInit: [26, 'npn'],
  C_FindObjects: [27, 'npnp'],
  C_FindObjectsFinal: [28, 'n'],
  C_SignInit: [42, 'npn'],
  C_Sign: [43, 'npnpp'],
  C_GenerateKeyPair: [59, 'nppnpnpp'],
} as const;

export type CryptokiFunction = keyof typeof functions;
export type Argument = number | bigint | Buffer | null;

/** A function said something else than CKR_OK. */
export class CryptokiError extends Error {
  override readonly name = 'CryptokiError';
  readonly returned: number;

  constructor(called: string, returned: number) {
    super(`${called}: ${describeReturn(returned)}`);
    this.returned = returned;
  }
}

type Callable = ReturnType<LibraryHandle['func']>;

/** Bindings to the functions of one module; loading it again gives the same. */
export class Cryptoki {
  static readonly #loaded = new Map<string, Cryptoki>();
  readonly #functions: ReadonlyMap<string, Callable>;
  #generation = 0;
  #running = 0;
  #idle: (() => void) | undefined;
  #starting: Promise<void> | undefined;

  static load(path: string): Cryptoki {
    const known = Cryptoki.#loaded.get(path);
    if (known !== undefined) return known;
    const loaded = new Cryptoki(path);
    Cryptoki.#loaded.set(path, loaded);
    return loaded;
  }

  private constructor(path: string) {
    this.#functions = bind(path, functionList(path));
  }

  /** Another one after each start: sessions and handles of an earlier one mean nothing. */
  get generation(): number {
    return this.#generation;
  }

  /** Starts the module, or starts it again if it is still the one that the caller saw fail; waits until nobody is in it. */
  start(seen: number): Promise<void> {
    if (this.#starting === undefined && this.#generation === seen) {
      this.#starting = this.#restart().finally(() => {
        this.#starting = undefined;
      });
    }
    return this.#starting ?? Promise.resolve();
  }

  /** Nothing restarts the module while `work` runs. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    while (this.#starting !== undefined) await this.#starting.catch(() => undefined);
    this.#running += 1;
    try {
      return await work();
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.#idle?.();
    }
  }

  async #restart(): Promise<void> {
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    if (this.#generation > 0) await this.#return('C_Finalize', [null]);
    this.#generation += 1;
    const returned = await this.#return('C_Initialize', [initializeArguments]);
    if (returned !== 0 && returned !== CKR.CRYPTOKI_ALREADY_INITIALIZED) {
      throw new CryptokiError('C_Initialize', returned);
    }
  }

  /** @throws CryptokiError unless it returns CKR_OK */
  async call(name: CryptokiFunction, ...args: readonly Argument[]): Promise<void> {
    const returned = await this.#return(name, args);
    if (returned !== 0) throw new CryptokiError(name, returned);
  }

  #return(name: CryptokiFunction, args: readonly Argument[]): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#functions.get(name)?.async(...args, (error: unknown, returned: unknown) => {
      if (error) reject(error);
      else resolve(Number(returned));
    });
    // The memory that the arguments name is used by another thread until then.
    return promise.finally(() => args.length);
  }
}

/** CK_C_INITIALIZE_ARGS: we call from several threads, and the module may use the system's locks for that. */
const CKF_OS_LOCKING_OK = 2;
const initializeArguments = Buffer.alloc(6 * wordBytes);
initializeArguments.writeBigUInt64LE(BigInt(CKF_OS_LOCKING_OK), 4 * wordBytes);

/** Held for good: a library that is let go of is unloaded under its pointers. */
const libraries: LibraryHandle[] = [];

/** Its code runs beside the keys: nobody else may be able to change it (R-KEY-1). */
function requireUnchangeable(path: string): void {
  const { uid, mode } = statSync(path);
  if ((uid === 0 || uid === process.geteuid?.()) && (mode & 0o022) === 0) return;
  const message = `others can write to ${path}, which runs inside mayfly: chown root and chmod go-w, and its directory too`;
  throw new IdentityError('failed-precondition', message);
}

function functionList(path: string): bigint {
  try {
    requireUnchangeable(path);
    const list = [0n];
    const library = koffi.load(path);
    libraries.push(library);
    const returned = library.func('unsigned long C_GetFunctionList(_Out_ void **)')(list);
    if (returned === 0 && list[0] !== 0n && list[0] !== undefined) return list[0];
    throw new CryptokiError('C_GetFunctionList', Number(returned));
  } catch (cause) {
    if (cause instanceof IdentityError) throw cause;
    const message = `${path} is not a PKCS#11 module that can be loaded here: check keys.module, and that its package is installed`;
    throw new IdentityError('failed-precondition', message, { cause });
  }
}

/** CK_FUNCTION_LIST is a version, padded to a word, and then pointers in the standard's order. */
function bind(path: string, list: bigint): ReadonlyMap<string, Callable> {
  const bound = new Map<string, Callable>();
  for (const [name, [place, args]] of Object.entries(functions)) {
    const pointer = koffi.decode(list, (1 + place) * wordBytes, 'void *') as bigint | null;
    if (pointer === null || pointer === 0n) {
      throw new IdentityError('failed-precondition', `${path} has no ${name}: it cannot hold keys that sign`);
    }
    bound.set(name, koffi.decode(pointer, prototypes[args] ?? proto(args)) as Callable);
  }
  return bound;
}

/** koffi wants each type once. */
const prototypes: Record<string, TypeObject> = {};
const types: Readonly<Record<string, string>> = { n: 'unsigned long', b: 'uint8_t', p: 'void *' };

function proto(args: string): TypeObject {
  const made = koffi.proto(
    `ck_${args}`,
    'unsigned long',
    [...args].map((letter) => types[letter] ?? ''),
  );
  prototypes[args] = made;
  return made;
}
