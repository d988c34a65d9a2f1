/** The SPIFFE Workload API: each RPC as one short story. Checks run in the order header, shape, caller, entitlement. */
import { IdentityError } from '../errors.ts';
import type { SpiffeWorkloadAPIService, X509SVIDResponse } from '../gen/workload.ts';
import type { Clock } from '../runtime/clock.ts';
import { failpoint } from '../runtime/failpoint.ts';
import type { Shared } from '../runtime/grpc-frames.ts';
import type { Call, Handlers } from '../runtime/grpc-server.ts';
import type { Peer } from '../runtime/peer.ts';
import { Wake } from '../runtime/watch.ts';
import { SpiffeId } from '../spiffe/id.ts';
import { parseJwtSvid, verifyJwtSvid } from '../spiffe/jwt-svid.ts';
import { refuseToken } from '../spiffe/jwt-token.ts';
import type { Delivery, Sent } from './delivery.ts';
import { encodeJwt, encodeJwtBundles, encodeX509, encodeX509Bundles } from './encode.ts';
import type { Identities, X509View } from './identities.ts';
import type { Instance } from './instance.ts';
import type { TrustView } from './trust.ts';

export interface WorkloadApiParts {
  readonly identities: Identities;
  readonly delivery: Delivery;
  readonly clock: Clock;
  /** Was our token with that `jti` taken back? */
  readonly isRevoked: (jti: string) => boolean;
}

/** Messages to one caller are at least this far apart: a burst of changes becomes one message (WA-15). */
const gapMs = 20;
/** Even without a sign of change, the clock is looked at this often: it may have been set. */
const lookMs = 60_000;
/** SPIFFE sets no limit; a token with more would not fit a header (JT-34). */
const audienceLimit = { count: 16, bytes: 1024 };

export function workloadApi(parts: WorkloadApiParts): Handlers<typeof SpiffeWorkloadAPIService, Peer> {
  const { identities, delivery, clock, isRevoked } = parts;

  return {
    fetchX509Svid: (_request, call) => updates(call, async (instance) => x509Update(await identities.x509(instance))),

    fetchX509Bundles: (_request, call) =>
      bundles(call, encodeX509Bundles, ({ trustVersion, crls }) => `${trustVersion}/${crls.version}`),

    fetchJwtBundles: (_request, call) => bundles(call, encodeJwtBundles, ({ trustVersion }) => trustVersion),

    fetchJwtsvid: async (request, call) => {
      const audience = checkAudience(request.audience);
      const only = request.spiffeId === '' ? undefined : SpiffeId.parseWorkload(request.spiffeId);
      const instance = identities.instance(call.peer.process);
      const views = await identities.jwt(instance, audience, only);
      identities.assertSame(instance);
      failpoint('agent.before-jwt-answer');
      return encodeJwt(views);
    },

    validateJwtsvid: async ({ audience, svid }, call) => {
      if (audience === '') throw new IdentityError('invalid-argument', 'audience must be specified');
      if (svid === '') throw new IdentityError('invalid-argument', 'svid must be specified');
      const trustDomain = SpiffeId.trustDomain(parseJwtSvid(svid).id);
      const { bundle, own } = await identities.bundleOf(call.peer.process, trustDomain);
      const verified = verifyJwtSvid(svid, audience, () => bundle?.jwtAuthorities, clock.now());
      const { jti } = verified.claims;
      if (own && typeof jti === 'string' && isRevoked(jti)) throw refuseToken('revoked');
      return { spiffeId: verified.id, claims: { ...verified.claims, aud: [...verified.audience] } };
    },

    fetchWitsvid: () => refuseWit(),
    fetchWitBundles: () => refuseWit(),
  };

  function bundles<T>(
    call: Call<Peer>,
    encode: (view: TrustView) => T,
    versionOf: (view: TrustView) => string,
  ): AsyncGenerator<T | Shared<T>, void, undefined> {
    return updates(call, async (instance) => {
      const view = await identities.bundles(instance);
      const sent = { sequence: view.bundle.sequence, authorities: [] };
      return { version: versionOf(view), dueAt: view.dueAt, sent, message: () => encode(view) };
    });
  }

  /**
   * The newest view at once, then again whenever it has changed, until the caller has gone. The process is looked at
   * immediately before each message leaves: whatever it has become, it gets nothing meant for what it was.
   */
  async function* updates<T>(
    call: Call<Peer>,
    look: (instance: Instance) => Promise<Update<T>>,
  ): AsyncGenerator<T | Shared<T>, void, undefined> {
    const instance = identities.instance(call.peer.process);
    const bell = new Wake();
    instance.bells.add(bell);
    using reader = delivery.reader();
    try {
      for (let sent = ''; !call.signal.aborted; await call.turn()) {
        const update = await look(instance);
        if (call.signal.aborted) return;
        identities.assertSame(instance);
        failpoint('agent.before-message');
        if (update.version !== sent) yield update.message();
        failpoint('agent.after-message');
        reader.last = update.sent;
        sent = update.version;
        const sentAt = clock.now();
        await rung(clock, bell, update.dueAt, call.signal);
        const passed = Math.abs(clock.now() - sentAt);
        if (passed < gapMs) await pause(clock, gapMs - passed, call.signal);
      }
    } finally {
      instance.bells.delete(bell);
    }
  }
}

interface Update<T> {
  /** Two views with the same version make the same message. */
  readonly version: string;
  /** When to look again even if nothing is heard. */
  readonly dueAt: number;
  readonly sent: Sent;
  readonly message: () => T | Shared<T>;
}

/** One for all streams of the process that are sent the view. */
const x509Updates = new WeakMap<X509View, Update<X509SVIDResponse>>();

function x509Update(view: X509View): Update<X509SVIDResponse> {
  const known = x509Updates.get(view) ?? describe(view);
  x509Updates.set(view, known);
  return known;
}

function describe(view: X509View): Update<X509SVIDResponse> {
  const serials = view.svids.map(({ serial, entry }) => `${serial}/${entry.revision}`);
  const authorities = [...new Set(view.svids.map(({ authority }) => authority))];
  return {
    version: [view.trustVersion, view.crls.version, ...serials].join(),
    dueAt: view.dueAt,
    sent: { sequence: view.bundle.sequence, authorities },
    message: () => encodeX509(view),
  };
}

function checkAudience(audience: readonly string[]): readonly string[] {
  if (audience.length === 0) throw new IdentityError('invalid-argument', 'audience must be specified');
  if (audience.length > audienceLimit.count) {
    throw new IdentityError('invalid-argument', `at most ${audienceLimit.count} audiences can be asked for at once`);
  }
  for (const value of audience) {
    if (value === '') throw new IdentityError('invalid-argument', 'an audience must not be empty');
    if (Buffer.byteLength(value) > audienceLimit.bytes) {
      throw new IdentityError('invalid-argument', `an audience must not be longer than ${audienceLimit.bytes} bytes`);
    }
  }
  return [...new Set(audience)];
}

async function* refuseWit(): AsyncGenerator<never, void, undefined> {
  yield* [];
  throw new IdentityError('unimplemented', 'the WIT-SVID profile is not supported');
}

async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  const over = new Wake();
  using _timer = clock.after(ms, () => over.ring());
  await over.wait(signal);
}

async function rung(clock: Clock, bell: Wake, dueAt: number, signal: AbortSignal): Promise<void> {
  using _timer = clock.after(Math.max(0, Math.min(dueAt - clock.now(), lookMs)), () => bell.ring());
  await bell.wait(signal);
}
