/** A whole agent in this process, on a socket of its own: real registry, ledger, authority and kernel; the caller is ourselves. */
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { startAgent } from '../../src/agent/agent.ts';
import type { WorkloadAttestor } from '../../src/attest/attest.ts';
import { openAuthority } from '../../src/authority/authority.ts';
import { type Ledger, type LedgerEvent, openLedger, RefusalCounter } from '../../src/ledger/ledger.ts';
import { openRegistry, type Registry } from '../../src/registry/registry.ts';
import { type Clock, systemClock } from '../../src/runtime/clock.ts';
import { createLog } from '../../src/runtime/log.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { systemRandom as random } from '../../src/runtime/random.ts';
import { WorkloadApiClient } from '../../src/sdk/client.ts';
import { Selector } from '../../src/spiffe/selector.ts';
import { MemoryJournal, optionsOf, quickKeyStore, trustDomain } from './authority.ts';
import { FakeClock } from './clock.ts';

/** The one fact that the scene's attestor tells. */
export const caller = Selector.parse('unix:uid:0');

export interface AgentScene extends AsyncDisposable {
  readonly registry: Registry;
  /** Stops the agent, before the rest is. */
  stop(): Promise<void>;
  /** What is on record, oldest first. */
  records(): Promise<LedgerEvent[]>;
  /** Each on a connection of its own. */
  client(): WorkloadApiClient;
  /** Resolves when a connection has come and gone, and the agent knows. */
  passerBy(): Promise<void>;
}

export interface SceneOptions {
  /** What is waited for before the scene's attestor answers. */
  readonly attest?: () => Promise<void>;
  readonly clock?: Clock;
  /** Before a record of the agent's is written; what it throws, the disk has said. */
  readonly recording?: (event: LedgerEvent) => Promise<void>;
  /** When it is on disk, and nobody knows yet. */
  readonly recorded?: (event: LedgerEvent, scene: Pick<AgentScene, 'registry'>) => Promise<unknown>;
}

export async function agentScene(options: SceneOptions = {}): Promise<AgentScene> {
  const { clock = systemClock } = options;
  const home = mkdtempSync('/run/mayfly-agent-');
  await using undo = new AsyncDisposableStack();
  undo.defer(() => rmSync(home, { recursive: true }));
  const ledger = await openLedger({ directory: join(home, 'ledger'), key: Buffer.alloc(32, 7), clock });
  undo.defer(() => ledger.close());
  const registry = await openRegistry({
    path: join(home, 'r.db'),
    key: Buffer.alloc(32, 1),
    clock,
    random,
    trustDomain,
  });
  undo.defer(() => registry.close());
  const keys = { keyStore: quickKeyStore(), journalFile: new MemoryJournal(), clock };
  const machine = { clock: new FakeClock(), journal: keys.journalFile, keys: keys.keyStore, events: [], nested: [] };
  const authority = await openAuthority(optionsOf(machine, { ...keys, caTtlSeconds: 3_600, x509SvidTtlSeconds: 600 }));
  undo.defer(() => authority.close());
  const refusals = new RefusalCounter(ledger, clock);
  undo.defer(() => refusals.close());
  const attestor: WorkloadAttestor = { name: 'scene', attest: async () => told(await options.attest?.()) };
  const overheard: Ledger = {
    append: async (event) => {
      await options.recording?.(event);
      const link = await ledger.append(event);
      await options.recorded?.(event, { registry });
      return link;
    },
    query: (filter) => ledger.query(filter),
    get: (seq) => ledger.get(seq),
    head: () => ledger.head(),
    archive: (before, directory) => ledger.archive(before, directory),
    close: () => ledger.close(),
    failed: ledger.failed,
    get problem() {
      return ledger.problem;
    },
  };
  const parts = { authority, ledger: overheard, registry, refusals, clock, random, metrics: createMetrics() };
  const socket = join(home, 'run', 'api.sock');
  const limits = { connections: 100, calls: 1_000, bytes: 1024 * 1024 };
  const agent = await startAgent({ ...parts, socket, log: createLog('silent'), attestors: [attestor], limits });
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= agent.stop();
    return stopped;
  };
  undo.defer(stop);
  await registry.addPerson({ id: 'ada', name: 'Ada' });
  const kept = undo.move();
  return {
    stop,
    registry,
    records: async () => {
      // Nobody waited for some of them: what follows them in the chain has been waited for.
      await ledger.append({ kind: 'mayfly.stopped', reason: 'asked for the records' });
      const events: LedgerEvent[] = [];
      for await (const { event } of ledger.query({})) events.push(event);
      return events;
    },
    client: () => new WorkloadApiClient({ address: `unix://${socket}` }),
    passerBy: () => passBy(socket),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

const told = (_nothing: unknown): readonly Selector[] => [caller];

/** What is not HTTP/2 is cut by the agent. */
async function passBy(path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = net.connect(path, () => socket.write('this is not HTTP/2, and long enough to be known as such\r\n'));
    socket.resume();
    socket.once('close', () => resolve());
    socket.once('error', reject);
  });
  // The agent has its own end of it in this very process: its last events have a turn.
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
