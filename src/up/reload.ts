/** Settings that change under a running issuer, without a stream noticing. What needs a restart is said, and stays. */
import type { Config } from '../config.ts';
import { IdentityError } from '../errors.ts';
import type { Actor, Ledger } from '../ledger/ledger.ts';

export type Setting = keyof Config;

export interface Reloaded {
  /** In effect now. */
  readonly changed: readonly Setting[];
  /** Different from what runs, and not in effect before the next start. */
  readonly needRestart: readonly Setting[];
}

export interface ReloadParts {
  /** What runs. */
  readonly config: Config;
  /** The same options and the same file, read again. */
  readonly read: () => Promise<Config>;
  /** How a setting takes effect; those that are not here need a restart. */
  readonly apply: Readonly<Partial<Record<Setting, (config: Config) => void | Promise<void>>>>;
  readonly ledger: Pick<Ledger, 'append'>;
}

export class Reload {
  readonly #parts: ReloadParts;
  #config: Config;
  /** What could not be had, and may have been left half-way: asked for again, whatever the settings say by then. */
  #unsettled: ReadonlySet<Setting> = new Set();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: ReloadParts) {
    this.#parts = parts;
    this.#config = parts.config;
  }

  /**
   * One after the other, however many ask.
   *
   * @throws IdentityError where the settings are wrong: then nothing changes; or where one of them cannot be had: then
   *   the others are in effect, and it names the one
   */
  now(by?: Actor): Promise<Reloaded> {
    const result = this.#turn.then(() => this.#reload(by));
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #reload(by: Actor | undefined): Promise<Reloaded> {
    const { read, apply, ledger } = this.#parts;
    const next = await read();
    const all = this.#different(next);
    const changed = all.filter((name) => apply[name] !== undefined);
    const needRestart = all.filter((name) => apply[name] === undefined);
    if (all.length === 0) return { changed, needRestart };
    await ledger.append({ kind: 'config.reloaded', changed, needRestart, ...by });
    const faults = await this.#take(changed, next);
    const [first] = faults;
    if (first === undefined) return { changed, needRestart };
    await ledger.append({ kind: 'config.not-in-effect', settings: [...faults.keys()], ...by });
    throw explained(first);
  }

  #different(next: Config): readonly Setting[] {
    const names = new Set([...Object.keys(this.#config), ...Object.keys(next)] as Setting[]);
    return [...names].filter((name) => this.#unsettled.has(name) || !same(this.#config[name], next[name]));
  }

  /** What needs a restart, or could not be had, is compared with what runs again next time. @returns why not, by name */
  async #take(changed: readonly Setting[], next: Config): Promise<ReadonlyMap<Setting, unknown>> {
    const config = { ...this.#config, ...Object.fromEntries(changed.map((name) => [name, next[name]])) };
    const faults = new Map<Setting, unknown>();
    for (const name of changed) {
      try {
        await this.#parts.apply[name]?.(config);
        this.#config = { ...this.#config, [name]: next[name] };
      } catch (fault) {
        faults.set(name, fault);
      }
    }
    this.#unsettled = new Set(faults.keys());
    return faults;
  }
}

function explained([name, fault]: readonly [Setting, unknown]): unknown {
  if (!(fault instanceof IdentityError)) return fault;
  return new IdentityError(fault.code, `${name} is not in effect: ${fault.message}`, { cause: fault });
}

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
