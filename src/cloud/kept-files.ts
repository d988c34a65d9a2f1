import { existsSync, rmSync } from 'node:fs';
import { IdentityError } from '../errors.ts';
import type { Clock } from '../runtime/clock.ts';
import { type Content, writeFilesAtomic } from '../runtime/files.ts';
import { pidIn, runCommand, signalProcess } from '../runtime/notify.ts';
import type { OnChange } from './projection.ts';

/** What is to be known of some files that belong together. Nothing secret. */
export interface FileState {
  /** An audience, or the kind of identity. */
  readonly content: string;
  readonly files: readonly string[];
  readonly spiffeId: string | undefined;
  readonly writtenAt: number | undefined;
  /** Of what is in the files. */
  readonly expiresAt: number | undefined;
  readonly failingSince: number | undefined;
  readonly problem: string | undefined;
  /** Why those who wait for a change could not be told of the last one. */
  readonly untold: string | undefined;
  readonly writes: number;
  readonly failures: number;
}

export interface Fresh {
  readonly contents: readonly Content[];
  readonly spiffeId: string;
  readonly expiresAt: number;
}

interface About {
  readonly content: string;
  readonly files: readonly string[];
  readonly onChange: OnChange | undefined;
}

interface Trouble {
  readonly since: number;
  readonly problem: string;
}

/**
 * Files that are replaced together. What cannot be written is kept and tried again; until then the old ones stay, as they
 * are. Who is no longer owed what is in them loses them.
 */
export class KeptFiles {
  readonly #about: About;
  readonly #clock: Clock;
  readonly #changed: () => void;
  #wanted: Fresh | undefined;
  /** What is in the files, as far as we have written them. */
  #written: { readonly fresh: Fresh; readonly at: number } | undefined;
  #source: Trouble | undefined;
  #disk: Trouble | undefined;
  #untold: string | undefined;
  #telling: Promise<void> = Promise.resolve();
  #writes = 0;
  #failures = 0;

  /** @param changed after each change of the state */
  constructor(about: About, clock: Clock, changed: () => void) {
    this.#about = about;
    this.#clock = clock;
    this.#changed = changed;
  }

  get state(): FileState {
    const { content, files } = this.#about;
    const trouble = this.#disk ?? this.#source;
    return {
      ...{ content, files, untold: this.#untold, writes: this.#writes, failures: this.#failures },
      ...{ spiffeId: this.#written?.fresh.spiffeId, expiresAt: this.#written?.fresh.expiresAt },
      ...{ writtenAt: this.#written?.at, failingSince: trouble?.since, problem: trouble?.problem },
    };
  }

  /** Resolves when everybody has been told, or could not be. */
  get told(): Promise<void> {
    return this.#telling;
  }

  put(fresh: Fresh): void {
    this.#source = undefined;
    this.#wanted = fresh;
    if (this.#written === undefined || !sameContents(this.#written.fresh, fresh)) this.#write(fresh);
    else this.#changed();
  }

  /** There is nothing new: what is there stays. */
  failed(error: unknown): void {
    this.#source = this.#troubled(this.#source, error);
    this.#changed();
  }

  /** What is in the files is not owed any more. */
  withdraw(error: unknown): void {
    this.#wanted = undefined;
    this.remove();
    this.failed(error);
  }

  /** What others have put there under these names is theirs. */
  remove(): void {
    if (this.#written === undefined) return;
    for (const file of this.#about.files) {
      try {
        rmSync(file, { force: true });
      } catch {}
    }
    this.#written = undefined;
    this.#changed();
  }

  /** Writes again what is not there: the disk was full, somebody has tidied up. */
  look(): void {
    const fresh = this.#wanted;
    if (fresh === undefined || fresh.expiresAt <= this.#clock.now()) return;
    if (this.#disk !== undefined || this.#about.files.some((file) => !existsSync(file))) this.#write(fresh);
  }

  #write(fresh: Fresh): void {
    try {
      writeFilesAtomic(fresh.contents);
      this.#written = { fresh, at: this.#clock.now() };
      this.#disk = undefined;
      this.#writes++;
    } catch (error) {
      if (!(error instanceof IdentityError)) throw error;
      this.#disk = this.#troubled(this.#disk, error);
    }
    const { onChange } = this.#about;
    if (this.#disk === undefined && onChange !== undefined) {
      this.#telling = this.#telling.then(() => this.#tell(onChange));
    }
    this.#changed();
  }

  #troubled(before: Trouble | undefined, error: unknown): Trouble {
    this.#failures++;
    const problem = error instanceof Error ? error.message : String(error);
    return { since: before?.since ?? this.#clock.now(), problem };
  }

  async #tell(onChange: OnChange): Promise<void> {
    try {
      await tell(onChange);
      this.#untold = undefined;
    } catch (error) {
      this.#untold = error instanceof Error ? error.message : String(error);
    }
    this.#changed();
  }
}

const sameContents = (one: Fresh, other: Fresh): boolean =>
  one.contents.length === other.contents.length &&
  one.contents.every(({ bytes }, at) => Buffer.from(bytes).equals(Buffer.from(other.contents[at]?.bytes ?? '')));

async function tell({ signal, pid, pidFile, command }: OnChange): Promise<void> {
  if (command !== undefined) return runCommand(command);
  const whom = pidFile === undefined ? pid : pidIn(pidFile);
  if (whom !== undefined) signalProcess(whom, signal);
}
