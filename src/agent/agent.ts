/** Serves workloads on this host: the Workload API, health and reflection on one Unix socket. */
import { type ErrorCode, IdentityError } from '../errors.ts';
import { HealthService } from '../gen/grpc/health/v1/health.ts';
import { ServerReflectionService as ReflectionV1 } from '../gen/grpc/reflection/v1/reflection.ts';
import { ServerReflectionService as ReflectionV1Alpha } from '../gen/grpc/reflection/v1alpha/reflection.ts';
import { ExchangesService } from '../gen/mayfly/workload/v1/exchanges.ts';
import { SpiffeWorkloadAPIService } from '../gen/workload.ts';
import { sleep } from '../runtime/clock.ts';
import { GrpcServer } from '../runtime/grpc-server.ts';
import { descriptorLimit, peerUid } from '../runtime/kernel.ts';
import type { Log } from '../runtime/log.ts';
import { type Peer, Peers } from '../runtime/peer.ts';
import { listenUnix } from '../runtime/unix-socket.ts';
import { type BudgetLimits, Budgets } from './budgets.ts';
import { Delivery } from './delivery.ts';
import { acceptConnection } from './endpoint.ts';
import { exchanges } from './exchanges.ts';
import { health } from './health.ts';
import { Identities, type IdentitiesParts } from './identities.ts';
import { reflection } from './reflection.ts';
import { workloadApi } from './workload-api.ts';

export interface AgentParts extends Omit<IdentitiesParts, 'peers'> {
  readonly socket: string;
  readonly log: Log;
  readonly limits: BudgetLimits;
}

export interface Agent {
  /** Absolute path of the socket. */
  readonly socket: string;
  openStreams(): number;
  openConnections(): number;
  /** What the open streams have been sent. */
  readonly delivery: Delivery;
  /** What is wrong with the socket's place, if anything is. */
  problem(): string | undefined;
  /** Ends every stream with Unavailable and removes the socket. */
  stop(): Promise<void>;
}

/** Messages of workloads are tiny; a token to validate is the largest (R-NET-2). */
const messageLimit = 64 * 1024;
const streamsPerConnection = 100;
const stopGraceMs = 2_000;
/** The rest is for the ledger, the registry and what is known of each caller. */
const shareOfDescriptors = 0.9;
const services = [
  'SpiffeWorkloadAPI',
  'mayfly.workload.v1.Exchanges',
  'grpc.health.v1.Health',
  'grpc.reflection.v1.ServerReflection',
];

export async function startAgent(parts: AgentParts): Promise<Agent> {
  const { authority, clock, log, limits, metrics } = parts;
  // First: it says what is wrong where /proc cannot be read.
  const peers = new Peers({ watchExits: true });
  const lastDescriptor = Math.floor(descriptorLimit() * shareOfDescriptors);
  const budgets = new Budgets({ limits, lastDescriptor, metrics });
  const identities = new Identities({ ...parts, peers });
  const server = new GrpcServer<Peer>({
    admit: requireHeader,
    messageLimit,
    streamsPerConnection,
    failed: failing(log, budgets),
  });
  const delivery = new Delivery();
  const isRevoked = (jti: string): boolean => authority.revocations.has({ jti });
  server.add(SpiffeWorkloadAPIService, workloadApi({ identities, delivery, clock, isRevoked }));
  server.add(ExchangesService, exchanges({ ...parts, identities }));
  server.add(HealthService, health(services));
  server.add(ReflectionV1, reflection(services));
  server.add(ReflectionV1Alpha, reflection(services));
  const socket = await listenUnix({
    path: parts.socket,
    mode: 0o666,
    report: (problem) => log.error(problem),
    screen: (descriptor) => budgets.admits(peerUid(descriptor), descriptor),
    accept: (connection) =>
      acceptConnection(connection, {
        budgets,
        peers,
        server,
        log,
        disconnected: ({ process }) => identities.disconnected(process),
        refused: ({ process }, reason) => {
          const { uid } = process.ids;
          if (budgets.of(uid).mayLog()) log.warn({ pid: process.pid, uid, reason }, 'a connection was cut');
          identities.refused(process, reason);
        },
      }),
  });
  return {
    socket: socket.path,
    openStreams: () => server.openCalls,
    openConnections: () => server.openConnections,
    delivery,
    problem: () => socket.problem,
    stop: async () => {
      socket.close();
      await server.stop(stopGraceMs, (ms) => sleep(clock, ms));
      identities.close();
      peers.close();
    },
  };
}

/** Every call that is about the caller carries the header, or is not looked at (Workload Endpoint section 3): it defeats SSRF. */
function requireHeader(path: string, call: { metadata: Readonly<Record<string, unknown>> }): void {
  if (!path.startsWith('/SpiffeWorkloadAPI/') && !path.startsWith('/mayfly.')) return;
  if (call.metadata['workload.spiffe.io'] === 'true') return;
  throw new IdentityError('invalid-argument', 'security header missing from request: send workload.spiffe.io: true');
}

/**
 * What is expected is told to the caller in its own words, so far as it is about the call: what our disk or our keys
 * suffer is for the log. Anything else is a bug and leaves as an incident id.
 */
const failing =
  (log: Log, budgets: Budgets) =>
  (path: string, { process }: Peer, error: unknown): IdentityError | undefined => {
    const caller = { path, pid: process.pid, uid: process.ids.uid };
    if (error instanceof IdentityError) {
      const level = error.code === 'cancelled' ? 'debug' : 'info';
      if (budgets.of(caller.uid).mayLog()) {
        log[level]({ ...caller, code: error.code, reason: error.reason, err: error.cause }, error.message);
      }
      return ownTrouble.has(error.code) && error.reason !== undefined ? notNow(error) : error;
    }
    log.error({ ...caller, err: error }, 'internal error');
    return undefined;
  };

/** With a reason, these come from within: a limit that the caller has met gives none. */
const ownTrouble: ReadonlySet<ErrorCode> = new Set([
  'resource-exhausted',
  'unavailable',
  'failed-precondition',
  'data-loss',
  'not-found',
]);

const notNow = ({ code, cause }: IdentityError): IdentityError =>
  new IdentityError(code, 'the issuer cannot grant anything new now: try again later', { cause });
