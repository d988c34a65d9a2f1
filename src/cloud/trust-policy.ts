/** What a relying party must be told so that it believes one entry's workloads, and no others. */
import { audienceAllowed } from '../spiffe/entry.ts';

export interface PolicyQuestion {
  readonly entryId: string;
  readonly spiffeId: string;
  /** Of the entry: exact, or a prefix that ends in an asterisk. */
  readonly audiences: readonly string[];
  readonly issuer: string;
  readonly audience: string;
  /** How it is called at the relying party. */
  readonly name: string;
}

export interface TrustPolicy {
  /** What is typed or written there. */
  readonly text: string;
  readonly warnings: readonly string[];
}

/** What is wrong at our own side, whichever relying party it is. */
export const ownWarnings = ({ entryId, audiences, audience }: PolicyQuestion): string[] =>
  audienceAllowed({ audiences }, audience)
    ? []
    : [
        `the entry has no audience ${audience}: \`mayfly entry update ${entryId} --audience ${shell(audience)}\` adds one`,
      ];

/** For a POSIX shell. SPIFFE IDs and most names need no quotes. */
export const shell = (text: string): string =>
  /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

/** Options of a command, one a line. */
export const commandText = (command: string, options: Readonly<Record<string, string>>): string =>
  [command, ...Object.entries(options).map(([name, value]) => `  --${name}=${shell(value)}`)].join(' \\\n');
