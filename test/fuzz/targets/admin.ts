/** Requests of operators, decoded and handed to the real handlers over a real registry and a real ledger. */
import { join } from 'node:path';
import { IdentityError } from '../../../src/errors.ts';
import {
  AdminService,
  CreateFederationRequest,
  Entry,
  ListEntriesRequest,
  ListRecordsRequest,
  SetForeignBundleRequest,
  UpdateEntryRequest,
  UpdateFederationRequest,
} from '../../../src/gen/mayfly/admin/v1/admin.ts';
import { openRegistry } from '../../../src/registry/registry.ts';
import type { Call } from '../../../src/runtime/grpc-server.ts';
import type { Peer } from '../../../src/runtime/peer.ts';
import { systemRandom } from '../../../src/runtime/random.ts';
import { entries } from '../../../src/server/entries.ts';
import { federationMethods } from '../../../src/server/federation.ts';
import { ledgerMethods } from '../../../src/server/ledger.ts';
import { people } from '../../../src/server/people.ts';
import { TrustDomain } from '../../../src/spiffe/id.ts';
import { LedgerDirectory } from '../../fakes/ledger-directory.ts';
import { promise, type Target } from '../engine/target.ts';
import { wireEntry } from './entries.ts';

type Handler = (input: unknown, call: Call<Peer>) => unknown;

export async function adminRequests(): Promise<Target> {
  const scene = new LedgerDirectory('memory');
  const ledger = await scene.open();
  const registry = await openRegistry({
    path: join(scene.root, 'registry.db'),
    key: Buffer.alloc(32, 1),
    clock: scene.clock,
    random: systemRandom,
    trustDomain: TrustDomain.parse('example.org'),
  });
  await registry.addPerson({ id: 'ada', name: 'Ada Byron' });
  const parts = {
    ledger,
    verify: () => Promise.reject(new IdentityError('unavailable', '')),
    flush: async () => undefined,
    clock: scene.clock,
  };
  const handlers: Readonly<Record<string, Handler>> = {
    ...people(registry),
    ...entries(registry),
    ...ledgerMethods(parts),
    ...federationMethods(registry.foreign, { state: () => undefined, refresh: async () => undefined }),
  } as never;
  const call = {
    peer: { process: { pid: 1 }, credentials: { pid: 1, uid: 0, gid: 0 } },
    metadata: {},
  } as unknown as Call<Peer>;
  const methods = Object.entries(AdminService).filter(([name]) => handlers[name] !== undefined);

  return {
    seeds: methods.flatMap((_, index) => seeds().map((seed) => Buffer.concat([Buffer.of(index), seed]))),
    shape: 'protobuf',
    prefix: 1,
    /** The first byte chooses the method. */
    run: async (input) => {
      const [name = '', method] = methods[(input[0] ?? 0) % methods.length] ?? [];
      const message = attempt(() => method?.requestDeserialize(input.subarray(1)));
      if (message === undefined) return;
      await outcome(() => handlers[name]?.(method?.requestStream ? stream(message) : message, call));
      for (const entry of registry.list().slice(20)) await registry.deleteEntry(entry.id);
      for (const { trustDomain } of registry.foreign.relationships()) await registry.foreign.delete(trustDomain);
      const own = registry.foreign.bundles().some(({ bundle }) => bundle.trustDomain === 'example.org');
      promise(!own, 'nobody says what our own bundle is');
      promise(registry.count() <= 20, 'what was deleted is gone');
    },
  };
}

function seeds(): Buffer[] {
  const filter = { spiffeId: 'spiffe://example.org/web', owner: 'ada', selectors: ['unix:uid:1'], limit: 1 };
  const since = new Date(1e12);
  const records = {
    ...filter,
    pid: 1,
    serial: 'aa',
    jti: 'x',
    exchange: 'y',
    authority: '',
    since,
    kind: 'ledger.segment',
    seq: 1,
  };
  const federation = {
    ...{ trustDomain: 'partner.example', endpointUrl: 'https://partner.example/', profile: 'https_spiffe' },
    ...{
      endpointSpiffeId: 'spiffe://partner.example/x',
      roots: '',
      privateAddresses: false,
      failures: 0,
      lastError: '',
    },
    ...{ createdAt: undefined, bundle: undefined, fetchedAt: undefined, nextPollAt: undefined },
  };
  return [
    Entry.encode(wireEntry),
    UpdateEntryRequest.encode({ entry: wireEntry, fields: ['hint', 'expires_at'] }),
    ListEntriesRequest.encode(filter),
    CreateFederationRequest.encode({ federation, bundle: '{"keys":[],"spiffe_sequence":1}' }),
    UpdateFederationRequest.encode({ federation, fields: ['endpoint_url', 'profile'] }),
    SetForeignBundleRequest.encode({ trustDomain: 'partner.example', bundle: '{"keys":[]}' }),
    ListRecordsRequest.encode(records),
    ListRecordsRequest.encode({
      ...records,
      spiffeId: '',
      owner: '',
      pid: 0,
      serial: '',
      jti: '',
      exchange: '',
      kind: '',
      seq: 0,
    }),
  ].map((writer) => Buffer.from(writer.finish()));
}

async function* stream(message: unknown): AsyncGenerator<unknown> {
  yield message;
  yield { entries: [], done: true };
}

async function outcome(ask: () => unknown): Promise<void> {
  try {
    const answer = ask();
    if (typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer) {
      for await (const message of answer as AsyncIterable<unknown>) void message;
    } else await answer;
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
  }
}

function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}
