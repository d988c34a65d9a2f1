/** The rooms beneath those who are spoken to, opened in the order in which they need each other. */
import { join } from 'node:path';
import { unixAttestor, type WorkloadAttestor } from '../attest/attest.ts';
import { type Authority, type AuthorityOptions, openAuthority } from '../authority/authority.ts';
import { jwtCaTtl } from '../config/issuer.ts';
import { keyPlaceSettings } from '../config/keys.ts';
import { upstreamSettings } from '../config/upstream.ts';
import type { Config } from '../config.ts';
import { type Federation, startFederation } from '../federation/federation.ts';
import { type Ledger, openLedger, RefusalCounter, verifyLedger } from '../ledger/ledger.ts';
import { openRegistry, type Registry } from '../registry/registry.ts';
import { systemClock as clock } from '../runtime/clock.ts';
import { type DataDirectory, openDataDirectory } from '../runtime/data-directory.ts';
import { failpoint } from '../runtime/failpoint.ts';
import { type AdjustableLog, createLog, type Log } from '../runtime/log.ts';
import { createMetrics, type Metrics } from '../runtime/metrics.ts';
import { systemRandom as random } from '../runtime/random.ts';
import { SeenMark } from '../runtime/seen-mark.ts';
import { version } from '../runtime/version.ts';
import { Recorder, revokedOnRecord, Upstream } from '../server/server.ts';
import type { TrustDomain } from '../spiffe/id.ts';

/** What is open in this process, from the ledger up. */
export interface Rooms {
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

export async function openRooms(
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
    jwtCaTtlSeconds: jwtCaTtl(config),
    issuer: config.issuer,
    certifyTokenKeys: config.issuer_x5c,
    x509KeyType: config.ca_key_type,
    jwtKeyType: config.jwt_key_type,
    x509SvidTtlSeconds: config.x509_svid_ttl,
    jwtSvidTtlSeconds: config.jwt_svid_ttl,
    keys: keyPlaceSettings(config.keys),
    formerKeys: config.former_keys.map(keyPlaceSettings),
    ...vouchedBy(config, trustDomain, log, closing),
    levelsBelow: config.levels_below,
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

/** Who stands above: another issuer, or what the settings name. */
function vouchedBy(
  config: Config,
  trustDomain: TrustDomain,
  log: Log,
  closing: AsyncDisposableStack,
): Pick<AuthorityOptions, 'above' | 'upstream'> {
  const upstream = upstreamSettings(config.upstream);
  if (upstream.kind !== 'mayfly') return { upstream };
  const above = new Upstream({ ...upstream, trustDomain, clock, log });
  closing.defer(() => above.close());
  return { above };
}

/** The last record. A disk that does not take it any more has been reported already. */
async function recordEnd(ledger: Ledger, { reason }: { readonly reason: string }, log: Log): Promise<void> {
  await ledger
    .append({ kind: 'mayfly.stopped', reason })
    .then(() => failpoint('up.end-recorded'))
    .catch((err) => log.error({ err }, 'the end is not on record'));
}
