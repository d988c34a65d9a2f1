/** What issuers below ask of this one, on the admin socket: whoever may use that is root or mayfly's own user. */
import type { Authority, Orderer, Trust } from '../authority/authority.ts';
import { IdentityError } from '../errors.ts';
import type { DownstreamService, Trust as WireTrust } from '../gen/mayfly/downstream/v1/downstream.ts';
import type { Call, Handlers } from '../runtime/grpc-server.ts';
import type { Peer } from '../runtime/peer.ts';
import { Wake } from '../runtime/watch.ts';
import { actorOf, type Recorder } from './recorder.ts';

type DownstreamHandlers = Handlers<typeof DownstreamService, Peer>;

/** Each call is on record before it is answered, as every call on this socket is; of a watch, its beginning. */
export function downstreamMethods(authority: Authority, recorder: Recorder): DownstreamHandlers {
  return {
    newX509Authority: (asked, call) =>
      recorder.call('newX509Authority', call, async () => {
        const notAfter = asked.notAfter?.getTime() ?? Number.POSITIVE_INFINITY;
        const { certificate, chain, roots } = await authority.below.certify({ ...asked, notAfter }, orderer(call));
        return { certificate, chain: [...chain], roots: [...roots] };
      }),

    publishJwtKey: ({ trustDomain, key, expiresAt }, call) =>
      recorder.call('publishJwtKey', call, async () => {
        if (key === undefined || expiresAt === undefined) {
          throw new IdentityError('invalid-argument', 'the key, or when it ends, is missing');
        }
        await authority.below.publish(trustDomain, { ...key, expiresAt: expiresAt.getTime() }, orderer(call));
        return {};
      }),

    withdrawJwtKey: ({ id }, call) =>
      recorder.call('withdrawJwtKey', call, async () => {
        await authority.below.withdraw(id, orderer(call));
        return {};
      }),

    watchTrust: async function* ({ trustDomain }, call) {
      await recorder.call('watchTrust', call, () => authority.below.admit(trustDomain));
      const wake = new Wake();
      using _bundle = authority.bundle.onChange(() => wake.ring());
      using _standing = authority.standing.onChange(() => wake.ring());
      using _active = authority.active.onChange(() => wake.ring());
      while (!call.signal.aborted) {
        yield toWire(authority.below.trust());
        await wake.wait(call.signal);
      }
    },
  };
}

const orderer = (call: Call<Peer>): Orderer => actorOf(call.peer) as Orderer;

const toWire = ({ x509Authorities, jwtKeys, vouchers }: Trust): WireTrust => ({
  x509Authorities: [...x509Authorities],
  jwtKeys: [...jwtKeys],
  vouchers: [...vouchers],
});
