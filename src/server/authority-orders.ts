/**
 * Carries out what operators order of authorities, one step at a time, and waits between steps for the open streams:
 * a new authority is known before it signs, and what an old one signed has been replaced before it is believed no more.
 */
import {
  type Authority,
  type AuthorityKind,
  authorityKinds,
  type Force,
  forces,
  type Need,
  type Order,
  type OrderedStep,
  type Orderer,
  type Plan,
  type Verb,
} from '../authority/authority.ts';
import { IdentityError } from '../errors.ts';
import type * as wire from '../gen/mayfly/admin/v1/admin.ts';
import { type Clock, elapsed, sleep } from '../runtime/clock.ts';
import type { Call } from '../runtime/grpc-server.ts';
import type { Peer } from '../runtime/peer.ts';
import { type AdminHandlers, actor } from './admin.ts';
import { type AuthorityUse, useOf } from './authority-use.ts';
import type { LedgerParts } from './ledger.ts';

/** What the open streams have been sent; the agent knows. */
export interface Streams {
  behind(sequence: bigint): number;
  holding(authority: string): number;
}

export interface OrderParts extends Pick<LedgerParts, 'ledger'> {
  readonly authority: Authority;
  readonly streams: Streams;
  readonly clock: Clock;
}

type Progress = AsyncGenerator<wire.OrderAuthorityProgress, void, undefined>;

/** A stream whose reader does not read is not waited for longer than that. */
const patienceMs = 5_000;
const lookMs = 5;
/** Handshakes that began with the SVID before may still be under way. */
const handshakeMs = 1_000;
/** A clock that was set is noticed within it. */
const longestSleepMs = 60_000;

export const orderMethods = (parts: OrderParts): Pick<AdminHandlers, 'orderAuthority' | 'rotateAuthority'> => ({
  orderAuthority: async function* ({ verb, kind, id, dryRun, force }, call) {
    const order: Order = { verb: verbOf(verb), kind: kindOf(kind), id: id === '' ? undefined : id };
    const { plan, use } = await lookedUp(order, parts);
    if (dryRun) return yield outcome(plan.target, plan.steps, plan.needs, use);
    requireForced(plan.needs, forcesOf(force));
    yield* carriedOut(plan, use, call, parts);
  },

  rotateAuthority: async function* ({ kind: name, force }, call) {
    const kind = kindOf(name);
    const { authority } = parts;
    const preparation = authority.plan({ verb: 'prepare', kind }, unknown);
    const heir = yield* taken(preparation.steps, call, parts, preparation.target);
    const activation = (): Plan => authority.plan({ verb: 'activate', kind, id: heir }, unknown);
    if (!forcesOf(force).has('unpublished')) yield* published(activation, call, parts);
    yield* taken(activation().steps, call, parts, heir);
    const use = await useOf(heir, parts);
    const steps: readonly OrderedStep[] = [...preparation.steps, { do: 'activate', kind, id: heir }];
    yield outcome(
      heir,
      steps.map((step) => ({ ...step, id: heir })),
      [],
      use,
    );
  },
});

const unknown = (): number => Number.POSITIVE_INFINITY;

/** The plan needs to know what the target signed, and only the plan says which one the target is. */
async function lookedUp(order: Order, parts: OrderParts): Promise<{ plan: Plan; use: AuthorityUse }> {
  const { target } = parts.authority.plan(order, unknown);
  const use = await useOf(target, parts);
  return { plan: parts.authority.plan(order, () => use.until ?? 0), use };
}

async function* carriedOut(plan: Plan, use: AuthorityUse, call: Call<Peer>, parts: OrderParts): Progress {
  const made: OrderedStep[] = [];
  let successor = '';
  for (const [index, step] of plan.steps.entries()) {
    const last = index === plan.steps.length - 1;
    // What was just replaced may still be in use between two peers.
    if (last && step.do === 'revoke' && plan.steps.length > 1 && use.streams > 0) {
      yield* waiting(`${handshakeMs} ms for handshakes that are under way`, () => sleep(parts.clock, handshakeMs));
    }
    const id = yield* taken([step], call, parts, step.id ?? successor);
    if (step.do === 'prepare') successor = id;
    made.push({ ...step, id });
  }
  yield outcome(plan.target ?? successor, made, plan.needs, use);
}

/** Takes the steps, each followed by what its effect needs to arrive. @returns the authority that the last was about */
async function* taken(
  steps: readonly OrderedStep[],
  call: Call<Peer>,
  { authority, streams, clock }: OrderParts,
  known: string | undefined,
): AsyncGenerator<wire.OrderAuthorityProgress, string, undefined> {
  let id = known ?? '';
  for (const step of steps) {
    id = await authority.take({ ...step, id: step.id ?? (id === '' ? undefined : id) }, orderer(call));
    const { sequence } = authority.bundle.value;
    const behind = (): number => (sequence === undefined ? 0 : streams.behind(sequence));
    if (step.do === 'prepare' || step.do === 'revoke') {
      yield* waiting(`${behind()} open streams to get the new bundle`, () => settled(behind, clock));
    }
    const holding = (): number => streams.holding(id);
    if (step.do === 'taint') {
      yield* waiting(`${holding()} open streams to get what another signed`, () => settled(holding, clock));
    }
  }
  return id;
}

/** Law 2: until whoever polls the bundle has had the time to see it. */
async function* published(plan: () => Plan, call: Call<Peer>, { clock }: OrderParts): Progress {
  for (;;) {
    const [need] = plan().needs;
    if (need?.until === undefined) return;
    const left = need.until - clock.now();
    yield { waitingFor: `${Math.ceil(left / 1000)} s: ${need.because}`, outcome: undefined };
    await sleep(clock, Math.min(Math.max(left, 1), longestSleepMs), call.signal);
  }
}

async function* waiting(what: string, wait: () => Promise<void>): Progress {
  yield { waitingFor: what, outcome: undefined };
  await wait();
}

/** Streams are pushed to at once; this only watches them arrive. */
async function settled(left: () => number, clock: Clock): Promise<void> {
  for (const late = elapsed() + patienceMs; left() > 0 && elapsed() < late; ) await sleep(clock, lookMs);
}

function requireForced(needs: readonly Need[], forced: ReadonlySet<Force>): void {
  const missing = needs.filter(({ force }) => !forced.has(force));
  if (missing.length === 0) return;
  const reasons = missing.map(({ force, because }) => `${because} (--force-${force})`);
  throw new IdentityError('failed-precondition', `this is not done unless it is forced: ${reasons.join('; ')}`);
}

const orderer = (call: Call<Peer>): Orderer => actor(call) as Orderer;

const outcome = (
  target: string | undefined,
  steps: readonly OrderedStep[],
  needs: readonly Need[],
  { credentials, spiffeIds, streams, until }: AuthorityUse,
): wire.OrderAuthorityProgress => ({
  waitingFor: '',
  outcome: {
    authority: target ?? '',
    steps: steps.map((step) => ({ verb: step.do, authority: step.id ?? '' })),
    needs: needs.map(({ force, because }) => ({ force, because })),
    use: { credentials, spiffeIds: [...spiffeIds], streams, until: until === undefined ? undefined : new Date(until) },
  },
});

const verbs: readonly Verb[] = ['prepare', 'activate', 'taint', 'revoke'];
const verbOf = (text: string): Verb => oneOf(verbs, text, 'an order');
const kindOf = (text: string): AuthorityKind => oneOf(authorityKinds, text, 'a kind of authority');
const forcesOf = (texts: readonly string[]): ReadonlySet<Force> =>
  new Set(texts.map((text) => oneOf(forces, text, 'a force')));

function oneOf<T extends string>(known: readonly T[], text: string, what: string): T {
  const found = known.find((one) => one === text);
  if (found !== undefined) return found;
  throw new IdentityError('invalid-argument', `${what} is one of ${known.join(', ')}`);
}
