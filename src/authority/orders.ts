/**
 * What an operator orders, as the steps that it takes and the promises that it would break. Pure: whoever carries the
 * steps out asks again when it is about to.
 */
import { IdentityError } from '../errors.ts';
import {
  type AuthorityKind,
  heirOf,
  isUsable,
  type Lifecycle,
  publishLeadMs,
  type RotationPolicy,
} from './rotation.ts';

export type Verb = 'prepare' | 'activate' | 'taint' | 'revoke';

export interface Order {
  readonly verb: Verb;
  readonly kind: AuthorityKind;
  /** Which one; where absent, the only one that it can mean. */
  readonly id?: string | undefined;
}

/** One name for each promise, so that nobody breaks one by accident. */
export type Force = 'active' | 'unpublished' | 'unexpired';
export const forces: readonly Force[] = ['active', 'unpublished', 'unexpired'];

export interface Need {
  readonly force: Force;
  /** What breaks, and what to do instead. */
  readonly because: string;
  /** When it would break nothing any more; absent where waiting does not help. */
  readonly until?: number | undefined;
}

/** A step of an order. `id` is absent where the authority is the one that the step before it prepares. */
export interface OrderedStep {
  readonly do: 'prepare' | 'activate' | 'taint' | 'revoke';
  readonly kind: AuthorityKind;
  readonly id: string | undefined;
}

export interface Plan {
  /** Empty when everything is as ordered already. */
  readonly steps: readonly OrderedStep[];
  readonly needs: readonly Need[];
  /** The authority that the order is about; undefined where it is still to be made. */
  readonly target: string | undefined;
}

/** What the plan stands on. */
export interface Situation {
  /** Of both kinds. */
  readonly authorities: readonly Lifecycle[];
  readonly now: number;
  readonly policy: RotationPolicy;
  /** When the last credential that the target signed ends; the end of its own life where nobody knows. */
  readonly signedUntil: (id: string) => number;
}

/** @throws IdentityError 'not-found' or 'failed-precondition' where the order makes no sense, saying what would */
export function planOrder(order: Order, situation: Situation): Plan {
  const own = { ...situation, authorities: situation.authorities.filter(({ kind }) => kind === order.kind) };
  return plans[order.verb](order, own);
}

const plans: Readonly<Record<Verb, (order: Order, situation: Situation) => Plan>> = {
  prepare: ({ kind }, situation) => {
    const heir = heirIn(situation);
    if (heir !== undefined) return { steps: [], needs: [], target: heir.id };
    return { steps: [{ do: 'prepare', kind, id: undefined }], needs: [], target: undefined };
  },

  activate: (order, situation) => {
    const target = order.id === undefined ? heirIn(situation) : named(order.id, situation);
    if (target === undefined) throw wrong(`there is none to activate: mayfly authority prepare ${order.kind}`);
    if (target.state === 'active') return { steps: [], needs: [], target: target.id };
    if (target.state !== 'prepared') throw wrong(`${target.id} is ${target.state} and signs no more`);
    if (!isUsable(target, situation.now)) throw wrong(`${target.id} has ended before it signed anything`);
    return {
      steps: [{ do: 'activate', kind: order.kind, id: target.id }],
      needs: unpublished(target, situation),
      target: target.id,
    };
  },

  taint: (order, situation) => {
    const target = order.id === undefined ? theOnly('old', order, situation) : named(order.id, situation);
    if (target.state === 'tainted') return { steps: [], needs: [], target: target.id };
    if (target.state === 'prepared') throw wrong(`${target.id} has signed nothing: mayfly authority revoke instead`);
    const first = replacement(target, order, situation);
    return { ...first, steps: [...first.steps, stepOf('taint', target)], target: target.id };
  },

  revoke: (order, situation) => {
    const target = order.id === undefined ? theOnly('tainted', order, situation) : named(order.id, situation);
    if (target.state === 'prepared') return { steps: [stepOf('revoke', target)], needs: [], target: target.id };
    const first = replacement(target, order, situation);
    const taint = target.state === 'tainted' ? [] : [stepOf('taint', target)];
    return {
      steps: [...first.steps, ...taint, stepOf('revoke', target)],
      needs: [...first.needs, ...unexpired(target, situation)],
      target: target.id,
    };
  },
};

/** Somebody must sign in the place of one that does. */
function replacement(target: Lifecycle, { kind }: Order, situation: Situation): Pick<Plan, 'steps' | 'needs'> {
  if (target.state !== 'active') return { steps: [], needs: [] };
  const heir = heirIn(situation);
  const prepare: readonly OrderedStep[] = heir === undefined ? [{ do: 'prepare', kind, id: undefined }] : [];
  const active: Need = {
    force: 'active',
    because: `it signs now, so another takes over first; in your own time: mayfly authority rotate ${kind}`,
  };
  const early = heir === undefined ? [tooEarly(kind, undefined)] : unpublished(heir, situation);
  return { steps: [...prepare, { do: 'activate', kind, id: heir?.id }], needs: [active, ...early] };
}

/** The one that was prepared to follow. */
const heirIn = ({ authorities, now }: Situation): Lifecycle | undefined =>
  heirOf(
    authorities,
    authorities.find(({ state }) => state === 'active'),
    now,
  );

const stepOf = (what: OrderedStep['do'], { kind, id }: Lifecycle): OrderedStep => ({ do: what, kind, id });

/** Law 2, first half: who polls the bundle must have had the time to see it. */
function unpublished(heir: Lifecycle, { now, policy }: Situation): Need[] {
  const known = heir.preparedAt + publishLeadMs(heir.notAfter - heir.preparedAt, policy);
  return now >= known ? [] : [tooEarly(heir.kind, known)];
}

const tooEarly = (kind: AuthorityKind, known: number | undefined): Need => ({
  force: 'unpublished',
  until: known,
  because:
    'whoever polls the bundle may not have seen the new authority yet and would refuse what it signs; ' +
    (known === undefined ? `it is still to be made: mayfly authority prepare ${kind}` : `wait until ${moment(known)}`),
});

/** Law 2, second half: it stays until all that it signed has expired. */
function unexpired({ id, state, notAfter }: Lifecycle, { now, signedUntil }: Situation): Need[] {
  const until = state === 'active' ? notAfter : Math.min(notAfter, signedUntil(id));
  if (now >= until) return [];
  const because = `what it signed is valid until ${moment(until)} and would be refused from now on`;
  return [{ force: 'unexpired', because, until }];
}

function named(id: string, { authorities }: Situation): Lifecycle {
  const [found, another] = authorities.filter((authority) => authority.id.startsWith(id));
  if (found !== undefined && another === undefined) return found;
  const fault = found === undefined ? 'there is no authority' : 'more than one authority has an id that begins with';
  throw new IdentityError('not-found', `${fault} ${id}; see what exists: mayfly authority list`);
}

function theOnly(state: Lifecycle['state'], { verb, kind }: Order, { authorities }: Situation): Lifecycle {
  const [found, another] = authorities.filter((authority) => authority.state === state);
  if (found !== undefined && another === undefined) return found;
  const fault =
    found === undefined ? `no ${kind} authority is ${state}` : `more than one ${kind} authority is ${state}`;
  throw wrong(`${fault}: say which one to ${verb} with --id, from mayfly authority list`);
}

const moment = (at: number): string => `${new Date(at).toISOString().slice(0, 19)}Z`;

const wrong = (message: string): IdentityError => new IdentityError('failed-precondition', message);
