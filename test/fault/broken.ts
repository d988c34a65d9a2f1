import type { Invariant } from './matrix.ts';

/** Something that must not happen has happened. */
export class Broken extends Error {
  override readonly name = 'Broken';
  readonly invariant: Invariant;

  constructor(what: string, invariant: Invariant = 'I14') {
    super(what);
    this.invariant = invariant;
  }
}
