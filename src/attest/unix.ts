/** The `unix` workload attestor: SPIRE's selector strings, from the kernel's facts about the process. */
import type { PeerProcess } from '../runtime/peer.ts';
import { Selector } from '../spiffe/selector.ts';
import { type Accounts, hostAccounts } from './accounts.ts';
import type { WorkloadAttestor } from './attest.ts';
import { ExecutableHashes } from './executables.ts';

export interface UnixAttestorOptions {
  /** Executables above this many bytes get no `unix:sha256:`. */
  readonly hashLimitBytes: number;
  readonly accounts?: Accounts;
}

export function unixAttestor(options: UnixAttestorOptions): WorkloadAttestor {
  const accounts = options.accounts ?? hostAccounts();
  const hashes = new ExecutableHashes(options.hashLimitBytes);
  return {
    name: 'unix',
    attest: async (process, wants) => [
      ...idSelectors(process, accounts),
      ...pathSelectors(process),
      ...(wants('unix:sha256:') ? hashSelectors(await hashes.of(process)) : []),
    ],
  };
}

function idSelectors({ ids }: PeerProcess, accounts: Accounts): Selector[] {
  const named = (kind: string, name: string | undefined): string[] => (name ? [`${kind}:${name}`] : []);
  return [
    `uid:${ids.uid}`,
    ...named('user', accounts.user(ids.uid)),
    `gid:${ids.gid}`,
    ...named('group', accounts.group(ids.gid)),
    ...ids.supplementaryGids.flatMap((gid) => [
      `supplementary_gid:${gid}`,
      ...named('supplementary_group', accounts.group(gid)),
    ]),
  ].flatMap(unix);
}

/**
 * The path counts only when it names the same file in our own view: in a mount namespace of its own a process can give
 * any program any path (SPIRE #1433). A file replaced on disk while it runs has no path any more.
 */
function pathSelectors(process: PeerProcess): Selector[] {
  const path = process.executablePath();
  return process.isExecutable(path) ? unix(`path:${path}`) : [];
}

const hashSelectors = (hash: string | undefined): Selector[] => (hash === undefined ? [] : unix(`sha256:${hash}`));

/** None where the fact cannot be written as a selector (a path with a line break in it): no entry can ask for it. */
function unix(value: string): Selector[] {
  try {
    return [Selector.parse(`unix:${value}`)];
  } catch {
    return [];
  }
}
