/** One input at a time: was it refused or taken as it should be, and if not, what went wrong and where? */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { IdentityError } from '../../../src/errors.ts';
import type { Target } from './target.ts';

export interface Finding {
  readonly what: string;
  readonly input: Buffer;
}

export interface Outcome {
  /** 'accepted', or by which rule it was refused: another one means another way through the code. */
  readonly kind: string;
  /** What must not be. */
  readonly fault: string | undefined;
}

const slowMs = 1000;

export class Attempts {
  count = 0;
  accepted = 0;
  readonly #target: Target;
  readonly #witness: Witness;

  constructor(target: Target, witness: Witness) {
    this.#target = target;
    this.#witness = witness;
  }

  async of(input: Buffer): Promise<Outcome> {
    this.#witness.note(++this.count, input);
    const begun = performance.now();
    const outcome = await this.#run(input);
    if (outcome.kind === accepted) this.accepted++;
    if (outcome.fault !== undefined || performance.now() - begun < slowMs) return outcome;
    // Another program may have had the core: only time that was really spent counts.
    const before = process.cpuUsage();
    await this.#run(input);
    const { user, system } = process.cpuUsage(before);
    const spent = (user + system) / 1000;
    return spent < slowMs ? outcome : { ...outcome, fault: `takes ${spent.toFixed(0)} ms` };
  }

  async #run(input: Buffer): Promise<Outcome> {
    try {
      const result = this.#target.run(input);
      if (result !== undefined) await result;
      return { kind: accepted, fault: undefined };
    } catch (error) {
      if (error instanceof IdentityError) return { kind: kindOf(error), fault: undefined };
      return { kind: 'fault', fault: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  }
}

const accepted = 'accepted';

/** The rule and its words, without what they quote from the input. */
const kindOf = ({ code, reason, message }: IdentityError): string =>
  `${code} ${reason} ${message.replaceAll(/\d+|'.*?'|".*?"/gs, '').slice(0, 60)}`;

/** Findings at one place are one finding. */
export const placeOf = (fault: string): string =>
  fault
    .split('\n')
    .slice(0, 3)
    .join('\n')
    .replaceAll(/\d+ ms/g, '');

/** A file that holds the input under way, for whoever looks after a process that hangs or dies. */
export class Witness {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'w', 0o600);
  }

  note(count: number, input: Buffer): void {
    header.writeUInt32LE(count, 0);
    header.writeUInt32LE(input.length, 4);
    writeSync(this.#file, header, 0, header.length, 0);
    writeSync(this.#file, input, 0, input.length, header.length);
  }

  close(): void {
    closeSync(this.#file);
  }

  static read(path: string): { readonly count: number; readonly input: Buffer } {
    const bytes = readFileSync(path);
    if (bytes.length < header.length) return { count: 0, input: Buffer.alloc(0) };
    const end = header.length + bytes.readUInt32LE(4);
    return { count: bytes.readUInt32LE(0), input: bytes.subarray(header.length, end) };
  }
}

const header = Buffer.alloc(8);
