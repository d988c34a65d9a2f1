import type { Shape } from './shapes.ts';

/** Something that reads bytes of strangers. */
export interface Target {
  /** What it accepts, and tokens that its grammar knows. */
  readonly seeds: readonly Buffer[];
  /** How its input is built, so that parts can be exchanged without breaking all of it. */
  readonly shape?: Shape;
  /** So many bytes stand before it and say what it is. */
  readonly prefix?: number;
  /** Returns, or throws an IdentityError. `UnkeptPromise` and everything else is a finding. */
  run(input: Buffer): void | Promise<void>;
}

/** It returned, and what it returned is not true. */
export class UnkeptPromise extends Error {}

export function promise(kept: boolean, what: string): void {
  if (!kept) throw new UnkeptPromise(what);
}

export const texts = (...seeds: readonly string[]): Buffer[] => seeds.map((seed) => Buffer.from(seed));
