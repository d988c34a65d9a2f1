import { Agent, type AgentOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { IdentityError } from '../errors.ts';
import { peerChain } from '../runtime/peer-chain.ts';
import type { Authorize } from './authorize.ts';
import { admit } from './peer.ts';
import { liveSecureContext, protocol } from './tls-context.ts';
import type { X509Context } from './x509-context.ts';
import type { X509Source } from './x509-source.ts';

export type TlsClientOptions = Required<
  Pick<ConnectionOptions, 'secureContext' | 'checkServerIdentity' | 'rejectUnauthorized' | 'minVersion'>
> &
  Pick<AgentOptions, 'maxCachedSessions'>;

/**
 * Options for `tls.connect`, `https.request({ agent: false })`, `http2.connect`: our newest SVID at every connection,
 * and a server that is judged by its SPIFFE ID instead of its host name. For an `https.Agent` use {@link createAgent}.
 *
 * @example tls.connect({ host, port, ...tlsClientOptions(source, authorizeId('spiffe://example.org/db')) });
 */
export const tlsClientOptions = (source: X509Source, authorize: Authorize): TlsClientOptions => ({
  secureContext: liveSecureContext(source),
  checkServerIdentity(this: unknown, _host, certificate) {
    try {
      // Node passes the detailed form (onConnectSecure); its type here says less.
      admit(peerChain(certificate as Parameters<typeof peerChain>[0]), source, authorize, this);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new IdentityError('permission-denied', 'The peer was refused.');
    }
  },
  rejectUnauthorized: true,
  minVersion: protocol.minVersion,
  maxCachedSessions: 0,
});

/**
 * An `https.Agent` that presents our newest SVID and keeps connections only as long as what authenticated them is
 * the newest: after a rotation each is used to the end of its request, then closed.
 *
 * @example https.get('https://db:8443/', { agent: createAgent(source, authorizeMemberOf('example.org')) });
 */
export const createAgent = (source: X509Source, authorize: Authorize, options: AgentOptions = {}): Agent =>
  new SpiffeAgent(source, { keepAlive: true, ...options, ...tlsClientOptions(source, authorize) });

class SpiffeAgent extends Agent {
  readonly #source: X509Source;
  readonly #openedWith = new WeakMap<object, X509Context>();
  readonly #updates: Disposable;

  constructor(source: X509Source, options: AgentOptions) {
    super(options);
    this.#source = source;
    this.#updates = source.onUpdate(() => this.#retireIdle());
    // Before the agent itself hands the socket to the next request in its queue.
    this.prependListener('free', (socket: Socket) => this.#isCurrent(socket) || socket.destroy());
  }

  override createConnection(...args: Parameters<Agent['createConnection']>): ReturnType<Agent['createConnection']> {
    const [, done] = args;
    try {
      const { context } = this.#source;
      const socket = super.createConnection(...args);
      if (socket) this.#openedWith.set(socket, context);
      return socket;
    } catch (error) {
      // No identity at this moment: the request fails, not the line that makes it.
      done?.(error as Error, undefined as never);
      return undefined;
    }
  }

  override destroy(): void {
    this.#updates[Symbol.dispose]();
    super.destroy();
  }

  #isCurrent(socket: Socket): boolean {
    return this.#source.available && this.#openedWith.get(socket) === this.#source.context;
  }

  #retireIdle(): void {
    for (const sockets of Object.values(this.freeSockets))
      for (const socket of sockets ?? []) if (!this.#isCurrent(socket)) socket.destroy();
  }
}
