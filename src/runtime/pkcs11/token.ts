/**
 * One token behind a PKCS#11 module: found by its label, logged in to once, used through a few sessions. When it fails,
 * everything is begun anew, at most once a second, so that it is back as soon as the token is.
 */
import { IdentityError } from '../../errors.ts';
import { word } from './attributes.ts';
import { type Argument, Cryptoki, CryptokiError, type CryptokiFunction, wordBytes } from './cryptoki.ts';
import { CKR, isRefusal } from './returns.ts';

export interface TokenSettings {
  /** The path of the module's library. */
  readonly module: string;
  /** The token's label. */
  readonly token: string;
  /** Read at each login, so that it can be changed. */
  readonly pin: () => string;
  readonly sessions: number;
  readonly timeoutMs: number;
}

/** To be thrown by work that misses what it knows to be there: then a new connection looks once more. */
export const missing = (): Error => new CryptokiError('C_FindObjects', CKR.OBJECT_HANDLE_INVALID);

/** An open session. What it finds is valid for `generation` only. */
export interface Session {
  readonly handle: bigint;
  readonly generation: number;
  call(name: CryptokiFunction, ...args: readonly Argument[]): Promise<void>;
}

interface Connection {
  readonly generation: number;
  readonly slot: bigint;
  readonly free: bigint[];
}

const pauseAfterFailureMs = 1000;

export class Pkcs11Token {
  readonly #settings: TokenSettings;
  readonly #module: Cryptoki;
  readonly #waiting: (() => void)[] = [];
  #busy = 0;
  #connection: Promise<Connection> | undefined;
  #current: Connection | undefined;
  #seen = 0;
  #failure: { readonly at: number; readonly fault: unknown } | undefined;
  #refusedPin: string | undefined;

  constructor(settings: TokenSettings) {
    this.#settings = settings;
    this.#module = Cryptoki.load(settings.module);
  }

  get name(): string {
    return `the token ${JSON.stringify(this.#settings.token)}`;
  }

  /**
   * Runs `work`, which may run twice: a session that was lost is replaced once without a word.
   * @throws IdentityError 'unavailable' when the token is away, slow or broken; 'failed-precondition' when it refuses us
   */
  use<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const outcome = this.#inTurn(() => this.#attempt(work).catch((fault) => this.#again(fault, work)));
    return this.#inTime(outcome);
  }

  /**
   * The same for work that looks for something. A module whose token was pulled out may say that there is nothing, and no
   * more: that is believed when a new connection, with the token found and logged in to, says so again.
   */
  async search<T>(work: (session: Session) => Promise<T>, isNothing: (found: T) => boolean): Promise<T> {
    const found = await this.use(work);
    if (!isNothing(found)) return found;
    this.#connection = undefined;
    return this.use(work);
  }

  async #again<T>(fault: unknown, work: (session: Session) => Promise<T>): Promise<T> {
    if (!isLost(fault)) throw this.#explained(fault);
    return this.#attempt(work).catch((second) => {
      throw this.#explained(second);
    });
  }

  async #attempt<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const connection = await this.#connected();
    return this.#module.during(async () => {
      if (connection.generation !== this.#module.generation) throw this.#lost(connection);
      const handle = connection.free.pop() ?? (await this.#openSession(connection.slot));
      try {
        return await work(this.#session(handle, connection.generation));
      } catch (error) {
        if (isLost(error)) this.#lost(connection);
        throw error;
      } finally {
        connection.free.push(handle);
      }
    });
  }

  /** Somebody else may have connected anew already. */
  #lost(connection: Connection): CryptokiError {
    if (this.#current === connection) this.#connection = undefined;
    return new CryptokiError('session', CKR.SESSION_CLOSED);
  }

  #session(handle: bigint, generation: number): Session {
    return { handle, generation, call: (name, ...args) => this.#module.call(name, ...args) };
  }

  #connected(): Promise<Connection> {
    const { at = 0, fault } = this.#failure ?? {};
    if (this.#connection === undefined && fault !== undefined && performance.now() - at < pauseAfterFailureMs)
      throw fault;
    this.#connection ??= this.#connect().then(
      (connection) => {
        this.#failure = undefined;
        this.#current = connection;
        return connection;
      },
      (error) => {
        this.#connection = undefined;
        this.#failure = { at: performance.now(), fault: error };
        throw error;
      },
    );
    return this.#connection;
  }

  async #connect(): Promise<Connection> {
    await this.#module.start(this.#seen);
    this.#seen = this.#module.generation;
    return this.#module.during(async () => {
      const { generation } = this.#module;
      const slot = await this.#findSlot();
      const session = await this.#openSession(slot);
      await this.#login(session);
      return { generation, slot, free: [session] };
    });
  }

  async #findSlot(): Promise<bigint> {
    const count = word(0);
    await this.#module.call('C_GetSlotList', 1, null, count);
    const slots = Buffer.alloc(Math.max(1, Number(count.readBigUInt64LE())) * wordBytes);
    await this.#module.call('C_GetSlotList', 1, slots, count);
    for (let at = 0; at < Number(count.readBigUInt64LE()); at++) {
      const slot = slots.readBigUInt64LE(at * wordBytes);
      if ((await this.#labelOf(slot)) === this.#settings.token) return slot;
    }
    const message = `${this.name} is not there: insert it, or check keys.token and the module's own configuration`;
    throw new IdentityError('unavailable', message, { reason: 'token-away' });
  }

  async #labelOf(slot: bigint): Promise<string | undefined> {
    const described = Buffer.alloc(tokenDescriptionBytes);
    try {
      await this.#module.call('C_GetTokenInfo', slot, described);
    } catch (error) {
      if (error instanceof CryptokiError) return undefined;
      throw error;
    }
    return described.toString('utf8', 0, labelBytes).trimEnd();
  }

  async #openSession(slot: bigint): Promise<bigint> {
    const handle = word(0);
    await this.#module.call('C_OpenSession', slot, CKF_SERIAL_RW, null, null, handle);
    return handle.readBigUInt64LE();
  }

  /** A wrong PIN is tried once: tokens lock themselves after a few. */
  async #login(session: bigint): Promise<void> {
    const pin = this.#settings.pin();
    if (pin === this.#refusedPin) throw wrongPin(this.name);
    const bytes = Buffer.from(pin, 'utf8');
    try {
      await this.#module.call('C_Login', session, CKU_USER, bytes, bytes.length);
    } catch (error) {
      if (!(error instanceof CryptokiError)) throw error;
      if (error.returned === CKR.USER_ALREADY_LOGGED_IN) return;
      if (error.returned !== CKR.PIN_INCORRECT) throw error;
      this.#refusedPin = pin;
      throw wrongPin(this.name);
    } finally {
      bytes.fill(0);
    }
  }

  #explained(fault: unknown): unknown {
    if (!(fault instanceof CryptokiError)) return fault;
    const refusal = isRefusal(fault.returned);
    const message = refusal
      ? `${this.name} refuses (${fault.message}): it must let this user sign, and make and destroy keys`
      : `${this.name} does not answer as it should (${fault.message}): see whether it is inserted and its module's log`;
    return new IdentityError(refusal ? 'failed-precondition' : 'unavailable', message, {
      cause: fault,
      reason: refusal ? 'token-refuses' : 'token-fails',
    });
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#busy >= this.#settings.sessions) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#busy += 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#busy -= 1;
      else next();
    }
  }

  /** A call into the module cannot be taken back: it keeps its session until it returns, and the caller goes on. */
  #inTime<T>(outcome: Promise<T>): Promise<T> {
    const { timeoutMs } = this.#settings;
    return new Promise((resolve, reject) => {
      const message = `${this.name} did not answer within ${timeoutMs} ms`;
      const late = new IdentityError('unavailable', message, { reason: 'token-slow' });
      const timer = setTimeout(() => reject(late), timeoutMs);
      outcome.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }
}

const isLost = (fault: unknown): boolean => fault instanceof CryptokiError && !isRefusal(fault.returned);

const wrongPin = (token: string): IdentityError =>
  new IdentityError('failed-precondition', `${token} refuses the PIN: correct it; the same one is not tried again`, {
    reason: 'token-pin',
  });

const CKF_SERIAL_RW = 0x02 | 0x04;
const CKU_USER = 1;
const labelBytes = 32;
/** CK_TOKEN_INFO has 208 bytes; modules of later versions do not write more. */
const tokenDescriptionBytes = 256;
