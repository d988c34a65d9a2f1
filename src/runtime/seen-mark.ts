/**
 * How far mayfly had come, kept outside of its data directory. A directory that was put back whole from an old backup is
 * consistent in itself: deleted entries and disabled people are back, and nothing in it knows better (fault 8). This does,
 * until the machine starts anew, because it lies beside the admin socket. It is sealed with a key of the directory that it
 * speaks of; what another directory left there says nothing.
 */
import { createHmac } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { IdentityError } from '../errors.ts';
import { readPrivateFile } from './files.ts';

/** Each of them only grows. */
export interface Progress {
  /** Changes of the registry. */
  readonly registry: number;
  /** Records in the ledger. */
  readonly ledger: number;
  /** The bundle's sequence number. */
  readonly bundle: number;
}

export class SeenMark {
  readonly #path: string;
  readonly #key: Buffer;
  #problem: string | undefined;

  constructor(path: string, key: Buffer) {
    this.#path = path;
    this.#key = key;
  }

  /** Why the last one could not be kept. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** @throws IdentityError 'data-loss' when what there is has been further before, and nobody said that this is meant */
  refuseOlder(now: Partial<Progress>): void {
    const seen = this.#read();
    for (const part of ['registry', 'ledger', 'bundle'] as const) {
      if (seen === undefined || (now[part] ?? Infinity) >= seen[part]) continue;
      const what = `an old copy of the data directory was put back: its ${part} is at ${now[part]} and was at ${seen[part]}`;
      const advice = `Put the newest copy back; or, if going back is meant, remove ${this.#path}, start again, and repeat`;
      const message = `${what}. ${advice} what was changed since: deleted entries and disabled people may be back`;
      throw new IdentityError('data-loss', message, { reason: 'rolled-back' });
    }
  }

  /** Only of what is durable. Nobody waits for the disk: half a mark says nothing, and the next one replaces it. */
  write(progress: Progress): void {
    try {
      writeFileSync(this.#path, this.#line(progress), { mode: 0o600 });
      this.#problem = undefined;
    } catch (error) {
      this.#problem = `cannot write ${this.#path}: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  #read(): Progress | undefined {
    if (!existsSync(this.#path)) return undefined;
    const text = readPrivateFile(this.#path, 1024).toString('latin1');
    const [, registry, ledger, bundle] = /^(\d{1,15}) (\d{1,15}) (\d{1,15}) /.exec(text) ?? [];
    const progress = { registry: Number(registry), ledger: Number(ledger), bundle: Number(bundle) };
    return text === this.#line(progress) ? progress : undefined;
  }

  #line({ registry, ledger, bundle }: Progress): string {
    const text = `${registry} ${ledger} ${bundle}`;
    return `${text} ${createHmac('sha256', this.#key).update(`seen ${text}`).digest('hex')}\n`;
  }
}
