/** Something that reads bytes of strangers. */
export interface Target {
  readonly name: string;
  /** What it accepts, and tokens that its grammar knows. */
  readonly seeds: readonly Buffer[];
  /** Returns, or throws an IdentityError. `UnkeptPromise` and everything else is a finding. */
  run(input: Buffer): void;
}

/** It returned, and what it returned is not true. */
export class UnkeptPromise extends Error {}

export function promise(kept: boolean, what: string): void {
  if (!kept) throw new UnkeptPromise(what);
}

export const texts = (...seeds: readonly string[]): Buffer[] => seeds.map((seed) => Buffer.from(seed));
