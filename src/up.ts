/** `mayfly up`: server and agent in one process. Reads like a list; each room is entered by its door. */
import { join } from 'node:path';
import { type Agent, startAgent } from './agent/agent.ts';
import { unixAttestor, type WorkloadAttestor } from './attest/attest.ts';
import { type Authority, openAuthority } from './authority/authority.ts';
import { endpointPlace, publishPlaces } from './config/bundles.ts';
import { keyPlaceSettings } from './config/keys.ts';
import { upstreamSettings } from './config/upstream.ts';
import type { Config } from './config.ts';
import { IdentityError } from './errors.ts';
import { type BundlesOut, type Federation, startBundlesOut, startFederation } from './federation/federation.ts';
import { type Ledger, openLedger, RefusalCounter, verifyLedger } from './ledger/ledger.ts';
import { openRegistry, type Registry } from './registry/registry.ts';
import { Reload, type Reloaded } from './reload.ts';
import { systemClock as clock } from './runtime/clock.ts';
import { type DataDirectory, openDataDirectory } from './runtime/data-directory.ts';
import { environment } from './runtime/environment.ts';
import { enableFailpoints, failpoint } from './runtime/failpoint.ts';
import { protectMemory, returnFreeMemory } from './runtime/kernel.ts';
import { type AdjustableLog, createLog, type Log } from './runtime/log.ts';
import { createMetrics, type Metrics } from './runtime/metrics.ts';
import { refuseObservers } from './runtime/observers.ts';
import { systemRandom as random } from './runtime/random.ts';
import { SeenMark } from './runtime/seen-mark.ts';
import { endRequested, onHangup, stayAlive } from './runtime/signals.ts';
import { terminal } from './runtime/terminal.ts';
import { closedDirectory } from './runtime/unix-socket.ts';
import { version } from './runtime/version.ts';
import { Recorder, revokedOnRecord, type Server, startServer, startStatusEndpoint } from './server/server.ts';
import type { TrustDomain } from './spiffe/id.ts';
import { welcome } from './welcome.ts';

/** What is open in this process, from the ledger up. */
interface Rooms {
  readonly config: Config;
  readonly trustDomain: TrustDomain;
  readonly log: AdjustableLog;
  readonly metrics: Metrics;
  readonly data: DataDirectory;
  readonly seen: SeenMark;
  readonly ledger: Ledger;
  readonly verify: () => ReturnType<typeof verifyLedger>;
  readonly registry: Registry;
  readonly recorder: Recorder;
  readonly authority: Authority;
  readonly federation: Federation;
  readonly refusals: RefusalCounter;
  readonly attestors: readonly WorkloadAttestor[];
}

/** Runs until SIGTERM or SIGINT; what was opened is closed in the opposite order, whatever happens. */
/** @param read the same settings, read again */
export async function up(config: Config, read: () => Promise<Config>): Promise<void> {
  const trustDomain = requireTrustDomain(config);
  const failpoints = enableFailpoints(environment.failpoints()) || undefined;
  refuseObservers(environment.nodeOptions());
  const requested = endRequested();
  using _alive = stayAlive();
  protectMemory();
  const ending = { reason: 'failed to start' };
  await using closing = new AsyncDisposableStack();
  const rooms = await openRooms({ config, trustDomain, failpoints }, ending, closing);
  failpoint('up.rooms-open');
  const limits = { connections: config.user_connections, calls: config.user_calls, bytes: config.user_bytes };
  const agent = await startAgent({ socket: config.socket, clock, random, limits, ...rooms });
  closing.defer(() => agent.stop());
  const bundlesOut = await startBundlesOut({
    ...{ ...rooms, clock, random },
    endpoints: config.bundle_endpoints.map(endpointPlace),
    publish: publishPlaces(config.bundle_publish),
  });
  closing.defer(() => bundlesOut.close());
  const reload = reloading(rooms, bundlesOut, read);
  using _hangup = onHangup(() => void reload.now().then(...told(rooms.log)));
  const server = await serveOperators(rooms, agent, bundlesOut, reload);
  closing.defer(() => server.stop());
  const problems = watchProblems(rooms, bundlesOut, [agent, server]);
  await serveStatus(rooms, agent, problems, closing);
  keepMark(rooms);
  terminal.out(greeting(rooms, agent, server));
  failpoint('up.serving');
  ending.reason = await Promise.race([requested, rooms.ledger.failed.then(() => 'the ledger failed')]);
  rooms.log.info({ reason: ending.reason }, 'stopping');
  failpoint('up.stopping');
  if (ending.reason === 'the ledger failed') throw await rooms.ledger.failed;
}

async function openRooms(
  { config, trustDomain, failpoints }: Pick<Rooms, 'config' | 'trustDomain'> & { failpoints: true | undefined },
  ending: { readonly reason: string },
  closing: AsyncDisposableStack,
): Promise<Rooms> {
  const log = createLog(config.log_level);
  const data = openDataDirectory(config.data_dir, random);
  closing.defer(() => data.release());
  failpoint('data.opened');

  const directory = join(data.path, 'ledger');
  const segmentBytes = config.ledger_segment_bytes;
  const ledger = await openLedger({ directory, key: data.ledgerKey, clock, segmentBytes, mustExist: !data.fresh });
  closing.defer(() => ledger.close());
  const recorder = new Recorder(ledger, log);
  const seen = new SeenMark(`${config.admin_socket}.seen`, data.ledgerKey);

  const registry = await openRegistry({
    path: join(data.path, 'registry.db'),
    key: data.registryKey,
    clock,
    random,
    trustDomain,
    leastVersion: data.registryVersion,
    record: (change) => recorder.change(change),
  });
  closing.defer(() => registry.close());
  if (!data.fresh) seen.refuseOlder({ registry: registry.version, ledger: ledger.head().seq });
  registry.onChange(() => data.remember(registry.version));
  const registryVersion = registry.version;
  const started = { version, trustDomain, pid: process.pid, registryVersion, failpoints };
  await ledger.append({ kind: 'mayfly.started', ...started });
  failpoint('up.started-recorded');
  closing.defer(() => recordEnd(ledger, ending, log));

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
    keys: keyPlaceSettings(config.keys),
    formerKeys: config.former_keys.map(keyPlaceSettings),
    upstream: upstreamSettings(config.upstream),
    log,
    record: async (event) => void (await ledger.append(event)),
    revoked: await revokedOnRecord(ledger, clock.now()),
    opened: (sequence) => seen.refuseOlder({ bundle: Number(sequence) }),
  });
  closing.defer(() => authority.close());
  const refusals = new RefusalCounter(ledger, clock);
  closing.defer(() => refusals.close());

  const attestors = [unixAttestor({ hashLimitBytes: config.executable_hash_limit })];
  const verify = () => verifyLedger(directory, data.ledgerKey);
  const metrics = createMetrics();
  const federation = startFederation({
    ...{ registry, clock, random, log, metrics },
    bundle: () => authority.bundle.value,
    pollFloorSeconds: config.bundle_poll_floor,
  });
  closing.defer(() => federation.stop());
  const parts = { ledger, verify, registry, recorder, authority, federation, refusals, attestors };
  return { config, trustDomain, log, metrics, data, seen, ...parts };
}

/** The last record. A disk that does not take it any more has been reported already. */
async function recordEnd(ledger: Ledger, { reason }: { readonly reason: string }, log: Log): Promise<void> {
  await ledger
    .append({ kind: 'mayfly.stopped', reason })
    .then(() => failpoint('up.end-recorded'))
    .catch((err) => log.error({ err }, 'the end is not on record'));
}

/** What can change without a restart, and how. */
function reloading(
  { config, log, authority, federation, ledger }: Rooms,
  bundlesOut: BundlesOut,
  read: () => Promise<Config>,
): Reload {
  const ttl = ({ x509_svid_ttl: x509, jwt_svid_ttl: jwt }: Config): void => authority.setTtl({ x509, jwt });
  const apply = {
    log_level: ({ log_level }: Config) => {
      log.level = log_level;
    },
    x509_svid_ttl: ttl,
    jwt_svid_ttl: ttl,
    bundle_poll_floor: ({ bundle_poll_floor: seconds }: Config) => federation.setPollFloor(seconds),
    bundle_publish: ({ bundle_publish: places }: Config) => bundlesOut.publishTo(publishPlaces(places)),
  };
  const settings = (): Promise<Config> => {
    // The files that settings name are read again too.
    bundlesOut.reread();
    return read();
  };
  return new Reload({ config, read: settings, apply, ledger });
}

const told = (log: Log): [(reloaded: Reloaded) => void, (error: unknown) => void] => [
  (reloaded) => log.info(reloaded, 'the settings were read again'),
  (err) => log.error({ err }, 'the settings could not be read again, and stay as they are'),
];

function serveOperators(rooms: Rooms, agent: Agent, bundlesOut: BundlesOut, reload: Reload): Promise<Server> {
  const { config, trustDomain, registry, ledger, refusals, verify } = rooms;
  const startedAt = new Date(clock.now());
  const status = () => ({
    version,
    trustDomain,
    socket: agent.socket,
    startedAt,
    entries: registry.count(),
    people: registry.people().length,
    openStreams: agent.openStreams(),
    ledgerRecords: ledger.head().seq,
  });
  const flushRefusals = () => refusals.flush();
  return startServer({
    socket: config.admin_socket,
    clock,
    status,
    verifyLedger: verify,
    flushRefusals,
    streams: agent.delivery,
    publishing: bundlesOut,
    reload: (by) => reload.now(by),
    ...rooms,
  });
}

/** Whatever is taken back and would change who is owed what, or whom to believe, is known to be older from now on. */
function keepMark({ seen, registry, ledger, authority }: Rooms): void {
  const keep = (): void => {
    const bundle = Number(authority.bundle.value.sequence);
    seen.write({ registry: registry.version, ledger: ledger.head().seq, bundle });
    failpoint('up.marked');
  };
  registry.onChange(keep);
  authority.bundle.onChange(keep);
  keep();
}

/** What an operator must know of, in words. The whole ledger is proven once, in the background: opening proves its end. */
function watchProblems(
  { authority, data, seen, ledger, verify, log }: Rooms,
  bundlesOut: BundlesOut,
  sockets: readonly (Agent | Server)[],
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

async function serveStatus(
  { config, metrics, registry, ledger }: Rooms,
  agent: Agent,
  problems: () => readonly string[],
  closing: AsyncDisposableStack,
): Promise<void> {
  metrics.gauge('mayfly_entries', 'registration entries', () => registry.count());
  metrics.gauge('mayfly_open_calls', 'calls of workloads that are open', () => agent.openStreams());
  metrics.gauge('mayfly_open_connections', 'connections of workloads that are open', () => agent.openConnections());
  metrics.gauge('mayfly_ledger_records', 'records in the ledger', () => ledger.head().seq);
  metrics.gauge('mayfly_problems', 'what keeps this issuer from being ready', () => problems().length);
  if (config.http === undefined) return;
  const endpoint = await startStatusEndpoint({ ...config.http, metrics, problems });
  closing.defer(() => endpoint.close());
}

const greeting = ({ config, trustDomain, registry }: Rooms, agent: Agent, server: Server): string =>
  welcome({
    trustDomain,
    config,
    socket: agent.socket,
    closed: closedDirectory(agent.socket),
    adminSocket: server.socket,
    seesOthers: process.geteuid?.() === 0,
    people: registry.people().length,
  });

function requireTrustDomain(config: Config): TrustDomain {
  if (config.trust_domain !== undefined) return config.trust_domain;
  const message = 'say which trust domain to issue for: mayfly up --trust-domain example.org --data-dir ./data';
  throw new IdentityError('invalid-argument', message);
}
