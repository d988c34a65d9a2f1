/** `mayfly up`: server and agent in one process. Reads like a list; each line is a room with a door. */
import { join } from 'node:path';
import { startAgent } from './agent/agent.ts';
import { unixAttestor } from './attest/attest.ts';
import { openAuthority } from './authority/authority.ts';
import type { Config } from './config.ts';
import { IdentityError } from './errors.ts';
import { openLedger, RefusalCounter, verifyLedger } from './ledger/ledger.ts';
import { openRegistry } from './registry/registry.ts';
import { systemClock as clock } from './runtime/clock.ts';
import { openDataDirectory } from './runtime/data-directory.ts';
import { createLog } from './runtime/log.ts';
import { createMetrics, type Metrics } from './runtime/metrics.ts';
import { systemRandom as random } from './runtime/random.ts';
import { endRequested, stayAlive } from './runtime/signals.ts';
import { terminal } from './runtime/terminal.ts';
import { closedDirectory } from './runtime/unix-socket.ts';
import { version } from './runtime/version.ts';
import { Recorder, startServer, startStatusEndpoint } from './server/server.ts';
import type { TrustDomain } from './spiffe/id.ts';
import { welcome } from './welcome.ts';

/** Runs until SIGTERM or SIGINT; what was opened is closed in the opposite order, whatever happens. */
export async function up(config: Config): Promise<void> {
  const trustDomain = requireTrustDomain(config);
  const requested = endRequested();
  using _alive = stayAlive();
  await using closing = new AsyncDisposableStack();
  const log = createLog(config.log_level);
  const metrics = createMetrics();
  const startedAt = clock.now();
  let reason = 'failed to start';

  const data = openDataDirectory(config.data_dir, random);
  closing.defer(() => data.release());

  const ledgerDirectory = join(data.path, 'ledger');
  const ledger = await openLedger({
    directory: ledgerDirectory,
    key: data.ledgerKey,
    clock,
    segmentBytes: config.ledger_segment_bytes,
  });
  closing.defer(() => ledger.close());
  await ledger.append({ kind: 'mayfly.started', version, trustDomain, pid: process.pid });
  closing.defer(async () => void (await ledger.append({ kind: 'mayfly.stopped', reason })));

  const registry = await openRegistry({
    path: join(data.path, 'registry.db'),
    key: data.registryKey,
    clock,
    random,
    trustDomain,
  });
  closing.defer(() => registry.close());
  const recorder = new Recorder(ledger, registry, log);
  closing.defer(() => recorder.close());

  const authority = await openAuthority({
    directory: data.path,
    trustDomain,
    clock,
    random,
    caTtlSeconds: config.ca_ttl,
    x509KeyType: config.ca_key_type,
    jwtKeyType: config.jwt_key_type,
    x509SvidTtlSeconds: config.x509_svid_ttl,
    jwtSvidTtlSeconds: config.jwt_svid_ttl,
    record: async (event) => void (await ledger.append(event)),
  });
  closing.defer(() => authority.close());

  const refusals = new RefusalCounter(ledger, clock);
  closing.defer(() => refusals.close());
  const attestors = [unixAttestor({ hashLimitBytes: config.executable_hash_limit })];
  const agent = await startAgent({
    socket: config.socket,
    registry,
    authority,
    ledger,
    refusals,
    attestors,
    clock,
    random,
    log,
    metrics,
  });
  closing.defer(() => agent.stop());

  const status = () => ({
    version,
    trustDomain,
    socket: agent.socket,
    startedAt: new Date(startedAt),
    entries: registry.count(),
    people: registry.people().length,
    openStreams: agent.openStreams(),
    ledgerRecords: ledger.head().seq,
  });
  const server = await startServer({
    socket: config.admin_socket,
    registry,
    authority,
    ledger,
    attestors,
    recorder,
    status,
    clock,
    log,
    verifyLedger: () => verifyLedger(ledgerDirectory, data.ledgerKey),
    flushRefusals: () => refusals.flush(),
  });
  closing.defer(() => server.stop());

  observe(metrics, {
    mayfly_entries: () => registry.count(),
    mayfly_open_calls: () => agent.openStreams(),
    mayfly_ledger_records: () => ledger.head().seq,
  });
  let diskProblem: string | undefined;
  void ledger.failed.then((error) => {
    diskProblem = error.message;
  });
  const problems = (): string[] => [authority.problem, diskProblem].filter((problem) => problem !== undefined);
  if (config.http !== undefined) {
    const endpoint = await startStatusEndpoint({ ...config.http, metrics, problems });
    closing.defer(() => endpoint.close());
  }

  terminal.out(
    welcome({
      trustDomain,
      config,
      socket: agent.socket,
      closed: closedDirectory(agent.socket),
      adminSocket: server.socket,
      people: registry.people().length,
    }),
  );
  reason = await requested;
  log.info({ reason }, 'stopping');
}

function observe(metrics: Metrics, gauges: Readonly<Record<string, () => number>>): void {
  for (const [name, value] of Object.entries(gauges)) metrics.gauge(name, name.replaceAll('_', ' '), value);
}

function requireTrustDomain(config: Config): TrustDomain {
  if (config.trust_domain !== undefined) return config.trust_domain;
  const message = 'say which trust domain to issue for: mayfly up --trust-domain example.org --data-dir ./data';
  throw new IdentityError('invalid-argument', message);
}
