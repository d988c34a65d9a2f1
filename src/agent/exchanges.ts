/**
 * What a process obtains elsewhere with an SVID of its own: on record before the relying party is asked, and again before
 * what it gave is used. Who asks, and with which SVID, we know; the rest are the process's own words, kept apart as
 * `stated`, and nothing is decided by them.
 */
import { IdentityError } from '../errors.ts';
import type {
  BeginExchangeRequest,
  EndExchangeRequest,
  ExchangesService,
} from '../gen/mayfly/workload/v1/exchanges.ts';
import type { Ledger, LedgerEvent } from '../ledger/ledger.ts';
import { elapsed } from '../runtime/clock.ts';
import type { Handlers } from '../runtime/grpc-server.ts';
import type { Peer } from '../runtime/peer.ts';
import type { Random } from '../runtime/random.ts';
import { TokenBucket } from '../runtime/token-bucket.ts';
import type { Identities } from './identities.ts';
import { type HeldSvid, type Instance, subjectOf } from './instance.ts';

export interface ExchangesParts {
  readonly identities: Identities;
  readonly ledger: Ledger;
  readonly random: Random;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

type Begun = Extract<LedgerEvent, { kind: 'exchange.begun' }>;

interface Ledgered {
  readonly pace: TokenBucket;
  readonly open: Map<string, Begun>;
}

/** Of one process: each is a record on disk, and a credential of the kinds that there are lives for a quarter of an hour. */
const pace = { most: 60, perSecond: 1 };
/** Of one process at one time; the oldest is forgotten for a newer one, and has no end on record then. */
const mostOpen = 64;
/** The longest name of a role that a cloud of today allows has 2,048 characters. */
const longestText = 2_048;

export function exchanges(parts: ExchangesParts): Handlers<typeof ExchangesService, Peer> {
  const { identities, ledger, random, now = elapsed } = parts;
  const kept = new WeakMap<Instance, Ledgered>();

  const of = (instance: Instance): Ledgered => {
    const known = kept.get(instance) ?? { pace: new TokenBucket(pace, now()), open: new Map() };
    kept.set(instance, known);
    return known;
  };

  return {
    beginExchange: async (request, call) => {
      const { name, stated } = readIntent(request);
      const instance = identities.instance(call.peer.process);
      const svid = await identities.held(instance, name);
      const { pace, open } = of(instance);
      if (!pace.take(now())) throw new IdentityError('resource-exhausted', 'this process exchanges too often');
      const exchange = random.uuid();
      const { id, revision, spiffeId, owner } = svid.entry;
      const grounds = { entry: id, revision, spiffeId, owner, exchange, ...nameOf(svid) };
      const begun: Begun = { kind: 'exchange.begun', ...subjectOf(instance), ...grounds, stated };
      await ledger.append(begun);
      open.set(exchange, begun);
      for (const oldest of open.keys()) if (open.size > mostOpen) open.delete(oldest);
      identities.assertSame(instance);
      return { exchangeId: exchange };
    },

    endExchange: async (request, call) => {
      const end = readEnd(request);
      const instance = identities.instance(call.peer.process);
      const { open } = of(instance);
      const begun = open.get(request.exchangeId);
      if (begun === undefined) throw new IdentityError('not-found', 'this process has begun no such exchange');
      open.delete(request.exchangeId);
      await ledger.append({ ...begun, ...end, stated: { ...begun.stated, ...end.stated } } as LedgerEvent);
      identities.assertSame(instance);
      return {};
    },
  };
}

const nameOf = ({ jti, serial }: HeldSvid) => ({
  ...(jti === undefined ? {} : { jti }),
  ...(serial === undefined ? {} : { serial }),
});

function readIntent({ svid, target, endpoint, role }: BeginExchangeRequest) {
  if (svid === undefined || svid.value === '')
    throw new IdentityError('invalid-argument', 'say which SVID is exchanged');
  const name = svid.$case === 'jti' ? { jti: svid.value } : { serial: svid.value };
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(target)) {
    throw new IdentityError('invalid-argument', 'a target is a word of lower-case letters, digits and hyphens');
  }
  if (endpoint === '') throw new IdentityError('invalid-argument', 'say where the SVID is taken to');
  return { name, stated: { target, ...texts({ endpoint, role }) } };
}

function readEnd({ outcome }: EndExchangeRequest) {
  if (outcome === undefined) throw new IdentityError('invalid-argument', 'say what became of the exchange');
  if (outcome.$case === 'failure') {
    const failure = outcome.value;
    if (!/^[\w.-]{1,64}$/.test(failure)) throw new IdentityError('invalid-argument', 'a failure is told in one word');
    return { kind: 'exchange.failed', stated: { failure } };
  }
  const { principal, credential, expiresAt } = outcome.value;
  const at = expiresAt?.getTime();
  if (Number.isNaN(at)) throw new IdentityError('invalid-argument', 'expires_at is not a moment');
  const gain = { ...texts({ principal, credential }), ...(at === undefined ? {} : { expiresAt: at }) };
  return { kind: 'exchange.obtained', stated: gain };
}

/** Those that say something. */
function texts<Name extends string>(all: Record<Name, string>): Record<Name, string> {
  for (const [name, text] of Object.entries<string>(all)) {
    if (text.length > longestText) {
      throw new IdentityError('invalid-argument', `${name} is longer than ${longestText} characters`);
    }
  }
  return Object.fromEntries(Object.entries<string>(all).filter(([, text]) => text !== '')) as Record<Name, string>;
}
