import { type Agent, startAgent } from '../agent/agent.ts';
import { endpointPlace, publishPlaces } from '../config/bundles.ts';
import { issuerPlace } from '../config/issuer.ts';
import type { Config } from '../config.ts';
import { IdentityError } from '../errors.ts';
import { type BundlesOut, type IssuerOut, startBundlesOut, startIssuer } from '../federation/federation.ts';
import { systemClock as clock } from '../runtime/clock.ts';
import { environment } from '../runtime/environment.ts';
import { enableFailpoints, failpoint } from '../runtime/failpoint.ts';
import { protectMemory } from '../runtime/kernel.ts';
import { type Log, linesLost } from '../runtime/log.ts';
import { processMemory } from '../runtime/memory.ts';
import { refuseObservers } from '../runtime/observers.ts';
import { systemRandom as random } from '../runtime/random.ts';
import { endRequested, onHangup, stayAlive } from '../runtime/signals.ts';
import { closedDirectory } from '../runtime/socket-directory.ts';
import { terminal } from '../runtime/terminal.ts';
import { version } from '../runtime/version.ts';
import { type Server, startServer, startStatusEndpoint } from '../server/server.ts';
import type { TrustDomain } from '../spiffe/id.ts';
import { watchProblems } from './problems.ts';
import { Reload, type Reloaded } from './reload.ts';
import { openRooms, type Rooms } from './rooms.ts';
import { tidyAfterStorms } from './tidy.ts';
import { welcome } from './welcome.ts';

/**
 * Runs until SIGTERM or SIGINT; what was opened is closed in the opposite order, whatever happens.
 *
 * @param read the same settings, read again
 */
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
  const place = issuerPlace(config);
  const issuer = place && (await startIssuer({ ...rooms, ...place, clock }));
  closing.defer(async () => issuer?.close());
  const reload = reloading(rooms, { bundlesOut, issuer }, read);
  using _hangup = onHangup(() => void reload.now().then(...told(rooms.log)));
  const server = await serveOperators(rooms, agent, { bundlesOut, issuer }, reload);
  closing.defer(() => server.stop());
  const problems = watchProblems(rooms, bundlesOut, [agent, server, { problem: () => issuer?.problem() }]);
  await serveStatus(rooms, agent, problems, closing);
  keepMark(rooms);
  using _tidying = tidyAfterStorms(clock, processMemory());
  terminal.out(greeting(rooms, agent, server));
  failpoint('up.serving');
  ending.reason = await Promise.race([requested, rooms.ledger.failed.then(() => 'the ledger failed')]);
  rooms.log.info({ reason: ending.reason }, 'stopping');
  failpoint('up.stopping');
  if (ending.reason === 'the ledger failed') throw await rooms.ledger.failed;
}

/** What we show the world outside. */
interface Outside {
  readonly bundlesOut: BundlesOut;
  readonly issuer: IssuerOut | undefined;
}

/** What can change without a restart, and how. */
function reloading(
  { config, log, authority, federation, ledger }: Rooms,
  { bundlesOut, issuer }: Outside,
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
    bundle_endpoints: ({ bundle_endpoints: places }: Config) => bundlesOut.serveAt(places.map(endpointPlace)),
    bundle_publish: ({ bundle_publish: places }: Config) => bundlesOut.publishTo(publishPlaces(places)),
  };
  const settings = (): Promise<Config> => {
    // The files that settings name are read again too.
    bundlesOut.reread();
    issuer?.reread();
    return read();
  };
  return new Reload({ config, read: settings, apply, ledger });
}

const told = (log: Log): [(reloaded: Reloaded) => void, (error: unknown) => void] => [
  (reloaded) => log.info(reloaded, 'the settings were read again'),
  (err) => log.error({ err }, 'the settings could not be read again, or not all of them are in effect'),
];

function serveOperators(rooms: Rooms, agent: Agent, { bundlesOut, issuer }: Outside, reload: Reload): Promise<Server> {
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
    issuer,
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
  metrics.gauge('mayfly_log_lines_lost', 'lines that found no reader in time', linesLost);
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
