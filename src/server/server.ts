/** Serves operators: the admin API on a socket of mode 0600. */
import type { WorkloadAttestor } from '../attest/attest.ts';
import type { Authority } from '../authority/authority.ts';
import { IdentityError } from '../errors.ts';
import { AdminService, type GetStatusResponse } from '../gen/mayfly/admin/v1/admin.ts';
import { DownstreamService } from '../gen/mayfly/downstream/v1/downstream.ts';
import type { Actor, Ledger, VerifyReport } from '../ledger/ledger.ts';
import type { Registry } from '../registry/registry.ts';
import { type Clock, sleep } from '../runtime/clock.ts';
import { onFirstByte } from '../runtime/first-byte.ts';
import { type Call, GrpcServer } from '../runtime/grpc-server.ts';
import type { Log } from '../runtime/log.ts';
import { type Peer, Peers } from '../runtime/peer.ts';
import { descriptorOf } from '../runtime/socket-handle.ts';
import { listenUnix } from '../runtime/unix-socket.ts';
import { actor, recorded } from './admin.ts';
import { audienceMethods } from './audiences.ts';
import { authorityMethods } from './authority.ts';
import { orderMethods, type Streams } from './authority-orders.ts';
import { credentialMethods } from './credentials.ts';
import { downstreamMethods } from './downstream.ts';
import { entries } from './entries.ts';
import { explain } from './explain.ts';
import { federationMethods, type Polling, type Publishing, publishMethods } from './federation.ts';
import { type Issuing, issuerMethods } from './issuer.ts';
import { ledgerMethods } from './ledger.ts';
import { people } from './people.ts';
import type { Recorder } from './recorder.ts';

export { revokedOnRecord } from './credentials.ts';
export { type StatusEndpoint, startStatusEndpoint } from './http.ts';
export { Recorder } from './recorder.ts';
export { Upstream } from './upstream.ts';

export interface ServerParts {
  readonly socket: string;
  readonly registry: Registry;
  readonly authority: Authority;
  readonly federation: Polling;
  readonly publishing: Publishing;
  readonly issuer: Issuing | undefined;
  readonly ledger: Ledger;
  readonly attestors: readonly WorkloadAttestor[];
  /** What the open streams of workloads have been sent. */
  readonly streams: Streams;
  readonly recorder: Recorder;
  readonly verifyLedger: () => Promise<VerifyReport>;
  readonly flushRefusals: () => Promise<void>;
  readonly status: () => GetStatusResponse;
  readonly reload: (
    by: Actor,
  ) => Promise<{ readonly changed: readonly string[]; readonly needRestart: readonly string[] }>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Server {
  readonly socket: string;
  /** What is wrong with the socket's place, if anything is. */
  problem(): string | undefined;
  stop(): Promise<void>;
}

/** A chunk of a bulk load; larger ones are split by the client. */
const messageLimit = 4 * 1024 * 1024;
const streamsPerConnection = 100;
/** A bulk load does not stop and go every few hundred entries. */
const windowBytes = 1024 * 1024;
const stopGraceMs = 2_000;

export async function startServer(parts: ServerParts): Promise<Server> {
  const { registry, authority, ledger, clock, log } = parts;
  const peers = new Peers({ watchExits: false });
  const server = new GrpcServer<Peer>({
    admit: requireOperator,
    messageLimit,
    streamsPerConnection,
    windowBytes,
    failed: failing(log),
  });
  const handlers = {
    ...people(registry),
    ...entries(registry),
    ...authorityMethods(authority, clock),
    ...credentialMethods({ authority, ledger, clock }),
    ...federationMethods(registry.foreign, parts.federation),
    ...publishMethods(parts.publishing),
    ...audienceMethods(registry.audiences),
    ...issuerMethods(parts.issuer),
    ...orderMethods({ authority, ledger, clock, streams: parts.streams }),
    ...ledgerMethods({ ledger, verify: parts.verifyLedger, flush: parts.flushRefusals, clock }),
    explain: ({ pid }: { pid: number }) => explain(pid, parts),
    getStatus: parts.status,
    reloadConfig: async (_: unknown, call: Call<Peer>) => {
      const { changed, needRestart } = await parts.reload(actor(call));
      return { changed: [...changed], needRestart: [...needRestart] };
    },
  };
  server.add(AdminService, recorded(handlers, parts.recorder));
  server.add(DownstreamService, downstreamMethods(authority, parts.recorder));
  const socket = await listenUnix({
    path: parts.socket,
    mode: 0o600,
    report: (problem) => log.error(problem),
    accept: (connection) => {
      connection.on('error', () => connection.destroy());
      try {
        const peer = peers.accept(descriptorOf(connection));
        connection.once('close', () => peers.release(peer.process));
        onFirstByte(connection, (writer) => {
          if (writer === peer.credentials.pid) server.serve(connection, peer);
          else connection.destroy();
        });
      } catch (error) {
        log.warn({ err: error }, 'an admin connection was refused');
        connection.destroy();
      }
    },
  });
  return {
    socket: socket.path,
    problem: () => socket.problem,
    stop: async () => {
      socket.close();
      await server.stop(stopGraceMs, (ms) => sleep(clock, ms));
      peers.close();
    },
  };
}

/** The socket's mode says so already; the kernel's word on who connected is asked all the same. */
function requireOperator(_path: string, { peer }: { peer: Peer }): void {
  const { uid } = peer.credentials;
  if (uid === 0 || uid === process.geteuid?.()) return;
  throw new IdentityError('permission-denied', 'the admin API is for root and for the user that runs mayfly');
}

const failing =
  (log: Log) =>
  (path: string, peer: Peer, error: unknown): IdentityError | undefined => {
    const caller = { path, uid: peer.credentials.uid, pid: peer.process.pid };
    if (error instanceof IdentityError) {
      log.info({ ...caller, code: error.code, reason: error.reason }, error.message);
      return error;
    }
    log.error({ ...caller, err: error }, 'internal error');
    return undefined;
  };
