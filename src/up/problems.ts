/** What keeps this issuer from being ready, in words. */

import { IdentityError } from '../errors.ts';
import type { BundlesOut } from '../federation/federation.ts';
import { returnFreeMemory } from '../runtime/kernel.ts';
import type { Rooms } from './rooms.ts';

/** What an operator must know of, in words. The whole ledger is proven once, in the background: opening proves its end. */
export function watchProblems(
  { authority, data, seen, ledger, verify, log }: Rooms,
  bundlesOut: BundlesOut,
  sockets: readonly { problem(): string | undefined }[],
): () => readonly string[] {
  const found: string[] = [];
  void ledger.failed.then(({ message }) => found.push(message));
  const proof = proven(verify).then(
    ({ problem }) => {
      if (problem === undefined) return;
      found.push(`the ledger was tampered with at record ${problem.seq}: ${problem.message}`);
      log.error({ ...problem }, 'the ledger does not verify');
    },
    (err: Error) => {
      found.push(`the ledger could not be verified: ${err.message}`);
      log.error({ err }, 'the ledger could not be verified');
    },
  );
  // The last thing of the start that is large: what reading the registry and the ledger took is free now.
  void proof.finally(returnFreeMemory);
  return () => {
    const now = [
      authority.problem,
      data.problem,
      seen.problem,
      ledger.problem,
      ...sockets.map((socket) => socket.problem()),
    ];
    return [...now.filter((problem) => problem !== undefined), ...bundlesOut.problems(), ...found];
  };
}

/** A segment may be archived under the reader, who then begins again. */
async function proven(verify: Rooms['verify'], tries = 5): ReturnType<Rooms['verify']> {
  try {
    return await verify();
  } catch (error) {
    if (tries === 1 || !(error instanceof IdentityError && error.code === 'unavailable')) throw error;
    return proven(verify, tries - 1);
  }
}
