/** An issuer above another without a socket between them, and what can go wrong between them. */
import {
  type Authority,
  type AuthorityBelow,
  certificateRequest,
  type IntermediateCertificate,
  type KeyBelow,
  type NestedUpstream,
  type Trust,
  type Vouched,
} from '../../src/authority/authority.ts';
import { IdentityError } from '../../src/errors.ts';
import type { Signer } from '../../src/runtime/signer.ts';
import { Watch } from '../../src/runtime/watch.ts';
import { FakeCa } from './ca.ts';

const by = { actorUid: 0, actorPid: 1 };

export interface Lie extends Partial<Trust> {
  readonly leaf?: boolean;
  readonly twisted?: boolean;
}

export class IssuerAbove implements NestedUpstream {
  readonly name = 'the issuer above';
  readonly trust = new Watch<Trust | undefined>(undefined);
  readonly #above: Authority;
  readonly #trustDomain: string;
  /** Slow: it answers when nobody waits any more. */
  trouble: 'away' | 'slow' | undefined;
  asked: AuthorityBelow | undefined;

  constructor(above: Authority, trustDomain: string, speech: 'silent' | 'speaks' = 'speaks') {
    this.#above = above;
    this.#trustDomain = trustDomain;
    if (speech === 'silent') return;
    this.hear();
    above.bundle.onChange(() => this.hear());
    above.standing.onChange(() => this.hear());
    above.active.onChange(() => this.hear());
  }

  get request(): Buffer {
    return this.asked?.request ?? Buffer.alloc(0);
  }

  hear(): void {
    if (this.trouble === undefined) this.trust.set(this.#above.below.trust());
  }

  lie({ leaf, twisted, ...lie }: Lie, id: string): void {
    const truth = this.#above.below.trust();
    const ca = new FakeCa('example.org');
    const [key] = truth.jwtKeys;
    this.trust.set({
      ...truth,
      ...(leaf ? { x509Authorities: ca.issue('/leaf').chain } : {}),
      ...(twisted && key !== undefined
        ? { jwtKeys: truth.jwtKeys.map((one) => (one.id === id ? otherKey(one, truth) : one)) }
        : {}),
      ...lie,
    });
  }

  async certify(request: IntermediateCertificate, signer: Signer): Promise<Vouched> {
    await this.#reach();
    const { id: authority, notAfter, levelsBelow } = request;
    const csr = await certificateRequest(request, signer);
    this.asked = { ...{ authority, notAfter, levelsBelow }, trustDomain: this.#trustDomain, request: csr };
    const { certificate, ...upstream } = await this.#above.below.certify(this.asked, by);
    return { certificate, upstream };
  }

  async publish(key: KeyBelow): Promise<void> {
    await this.#reach();
    await this.#above.below.publish(this.#trustDomain, key, by);
  }

  async withdraw(id: string): Promise<void> {
    await this.#reach();
    await this.#above.below.withdraw(id, by);
  }

  async #reach(): Promise<void> {
    if (this.trouble === undefined) return;
    throw new IdentityError(
      this.trouble === 'away' ? 'unavailable' : 'deadline-exceeded',
      `${this.name} is ${this.trouble}`,
    );
  }
}

const otherKey = (one: Trust['jwtKeys'][number], { jwtKeys }: Trust) => ({
  ...one,
  publicKey: jwtKeys.find(({ id }) => id !== one.id)?.publicKey ?? one.publicKey,
});
