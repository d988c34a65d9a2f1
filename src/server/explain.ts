/** Why a process gets, or does not get, an identity: told to the operator, never to the process. */
import { attestWorkload, type WorkloadAttestor } from '../attest/attest.ts';
import { IdentityError } from '../errors.ts';
import type { ExplainResponse } from '../gen/mayfly/admin/v1/admin.ts';
import type { Registry } from '../registry/registry.ts';
import type { Clock } from '../runtime/clock.ts';
import { inspectProcess, type PeerProcess, startedAt } from '../runtime/peer.ts';
import { entryToWire } from './wire.ts';

const nearLimit = 5;

export interface ExplainParts {
  readonly registry: Registry;
  readonly attestors: readonly WorkloadAttestor[];
  readonly clock: Clock;
}

export async function explain(pid: number, parts: ExplainParts): Promise<ExplainResponse> {
  const { registry, attestors, clock } = parts;
  if (pid <= 0) throw new IdentityError('invalid-argument', 'a pid is a positive number, as in --pid 1234');
  const process = inspected(pid);
  try {
    const selectors = await attestWorkload(process, attestors, () => true);
    return {
      pid,
      uid: process.ids.uid,
      gid: process.ids.gid,
      path: process.executablePath(),
      startedAt: new Date(startedAt(process, clock.now())),
      selectors: [...selectors],
      matched: registry.entitled(selectors, clock.now()).map(entryToWire),
      near: registry.near(selectors, nearLimit).map((miss) => ({
        entry: entryToWire(miss.entry),
        reason: miss.reason,
        missingSelector: miss.missingSelector ?? '',
        missing: miss.missing,
      })),
    };
  } catch (error) {
    throw told(pid, error);
  } finally {
    process.close();
  }
}

function inspected(pid: number): PeerProcess {
  try {
    return inspectProcess(pid);
  } catch (error) {
    throw told(pid, error);
  }
}

/** What a workload must not hear is what an operator asks for: why this process would be refused whatever is registered. */
function told(pid: number, error: unknown): unknown {
  if (!(error instanceof IdentityError) || error.code !== 'permission-denied') return error;
  const { reason = '', cause } = error;
  const why = refusals[reason] ?? (cause instanceof Error ? `${reason}: ${cause.message}` : reason);
  const message = `process ${pid} would be refused whatever is registered: ${why}`;
  return new IdentityError('failed-precondition', message, { cause, reason });
}

const refusals: Readonly<Record<string, string>> = {
  'peer-gone': 'it has ended',
  'peer-changed': 'it became another program or another user while it was looked at',
  'peer-traced': 'a debugger controls it',
};
