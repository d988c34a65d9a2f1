/** What a program is to be given for its targets, and what that follows from. */
import type { ProjectedCertificate, ProjectedToken } from './projection.ts';

export interface Plan {
  readonly tokens?: readonly ProjectedToken[];
  readonly certificates?: readonly ProjectedCertificate[];
  /** Of tokens that are asked for later: they must be owed now. */
  readonly audiences?: readonly string[];
  /** Served on this machine while the program runs; the variables for it are known once it is. */
  readonly serves?: readonly Served[];
  /** Files that stay as they are and hold nothing secret. */
  readonly documents?: readonly { readonly path: string; readonly document: object }[];
  readonly variables: Readonly<Record<string, string>>;
  /** Other identities, which would come before this one. */
  readonly without: readonly string[];
}

/** An endpoint: of AWS's containers, with the word for it in this file; of tokens for Google, which this file names, word and all. */
export interface Served {
  readonly kind: 'aws' | 'gcp';
  readonly file: string;
}

/** What an option or the surroundings say: by the name of the option, and by that of the variable. */
export interface Given {
  /** @throws IdentityError where neither says it */
  need(option: string, variable?: string): string;
  may(option: string, variable?: string): string | undefined;
}
