/** Why a process gets, or does not get, an identity: told to the operator, never to the process. */
import { attestWorkload, type WorkloadAttestor } from '../attest/attest.ts';
import { IdentityError } from '../errors.ts';
import type { ExplainResponse } from '../gen/mayfly/admin/v1/admin.ts';
import type { Registry } from '../registry/registry.ts';
import type { Clock } from '../runtime/clock.ts';
import { inspectProcess, startedAt } from '../runtime/peer.ts';
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
  const process = inspectProcess(pid);
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
  } finally {
    process.close();
  }
}
