/** Settings that change under a running issuer, without a stream noticing. What needs a restart is said, and stays. */
import type { Config } from '../config.ts';
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
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: ReloadParts) {
    this.#parts = parts;
    this.#config = parts.config;
  }

  /** One after the other, however many ask. @throws IdentityError where the settings are wrong: then nothing changes */
  now(by?: Actor): Promise<Reloaded> {
    const result = this.#turn.then(() => this.#reload(by));
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #reload(by: Actor | undefined): Promise<Reloaded> {
    const { read, apply, ledger } = this.#parts;
    const next = await read();
    const different = (Object.keys(this.#config) as Setting[]).filter((name) => !same(this.#config[name], next[name]));
    const added = (Object.keys(next) as Setting[]).filter(
      (name) => !(name in this.#config) && next[name] !== undefined,
    );
    const all = [...different, ...added];
    const changed = all.filter((name) => apply[name] !== undefined);
    const needRestart = all.filter((name) => apply[name] === undefined);
    if (all.length === 0) return { changed, needRestart };
    await ledger.append({ kind: 'config.reloaded', changed, needRestart, ...by });
    // What needs a restart, or could not be had, is compared with what runs again next time.
    const config = { ...this.#config, ...Object.fromEntries(changed.map((name) => [name, next[name]])) };
    for (const name of changed) {
      await apply[name]?.(config);
      this.#config = { ...this.#config, [name]: next[name] };
    }
    return { changed, needRestart };
  }
}

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
