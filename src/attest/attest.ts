/** Who is asking? Facts about a process become selectors; the process itself contributes nothing but its existence. */
import { IdentityError } from '../errors.ts';
import type { PeerProcess } from '../runtime/peer.ts';
import type { Selector } from '../spiffe/selector.ts';

export { type UnixAttestorOptions, unixAttestor } from './unix.ts';

/** Does any registration entry use a selector that begins so? Costly facts are learned only when one does. */
export type Wants = (prefix: string) => boolean;

export interface WorkloadAttestor {
  readonly name: string;
  attest(process: PeerProcess, wants: Wants): Promise<readonly Selector[]>;
}

/**
 * All attestors in parallel, between two proofs that the process lives and has not changed: what was read is about the
 * process that asked (R-PEER-1, R-PEER-2). Any doubt is a refusal.
 */
export async function attestWorkload(
  process: PeerProcess,
  attestors: readonly WorkloadAttestor[],
  wants: Wants,
): Promise<ReadonlySet<Selector>> {
  assertSame(process);
  const found = await Promise.all(attestors.map((attestor) => attest(attestor, process, wants)));
  assertSame(process);
  return new Set(found.flat());
}

/** Throws unless the process is alive and what it was when its connection was accepted. */
export function assertSame(process: PeerProcess): void {
  const sameness = process.sameness();
  if (sameness !== 'same')
    throw new IdentityError('permission-denied', 'no identity issued', { reason: `peer-${sameness}` });
}

async function attest(attestor: WorkloadAttestor, process: PeerProcess, wants: Wants): Promise<readonly Selector[]> {
  try {
    return await attestor.attest(process, wants);
  } catch (cause) {
    throw new IdentityError('permission-denied', 'no identity issued', {
      cause,
      reason: `attestor-${attestor.name}-failed`,
    });
  }
}
