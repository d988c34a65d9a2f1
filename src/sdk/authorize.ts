import { IdentityError } from '../errors.ts';
import { SpiffeId, TrustDomain } from '../spiffe/id.ts';

/** Whether an authenticated peer may speak to us. Asked only after its SVID has been verified. */
export type Authorize = (peer: SpiffeId) => boolean;

/**
 * Exactly these identities; none given lets nobody in.
 *
 * @example authorizeId('spiffe://example.org/web')
 */
export function authorizeId(...ids: readonly string[]): Authorize {
  const allowed = new Set(ids.map((id) => SpiffeId.parseWorkload(id)));
  return (peer) => allowed.has(peer);
}

/**
 * Every workload of one trust domain.
 *
 * @example authorizeMemberOf('example.org')
 */
export function authorizeMemberOf(trustDomain: string): Authorize {
  const allowed = TrustDomain.parse(trustDomain);
  return (peer) => SpiffeId.trustDomain(peer) === allowed;
}

/**
 * An identity and all below it, by whole segments: `/pay` lets in `/pay` and `/pay/eu`, never `/payroll`.
 * A whole trust domain has to be asked for by its name, with {@link authorizeMemberOf}.
 *
 * @example authorizePath('spiffe://example.org/pay')
 */
export function authorizePath(prefix: string): Authorize {
  const top = SpiffeId.parse(prefix);
  if (SpiffeId.path(top) === '')
    throw new IdentityError(
      'invalid-argument',
      'A path rule needs a path; authorizeMemberOf lets in a whole trust domain.',
    );
  return (peer) => peer === top || peer.startsWith(`${top}/`);
}

/**
 * Whoever `predicate` says yes to.
 *
 * @example authorizeIf((peer) => directory.has(peer))
 */
export const authorizeIf =
  (predicate: (peer: SpiffeId) => boolean): Authorize =>
  // Only `true` is yes: a promise given by mistake would be truthy.
  (peer) =>
    predicate(peer) === true;

/**
 * Every peer of every trust domain that we hold a bundle of.
 *
 * @example authorizeAny()
 */
export const authorizeAny = (): Authorize => () => true;
