/** Keeps a set of files fresh: tokens and certificates of this process, as its agent says them. */
import { IdentityError } from '../errors.ts';
import { type Clock, sleep } from '../runtime/clock.ts';
import type { Content } from '../runtime/files.ts';
import type { Random } from '../runtime/random.ts';
import { SpiffeId } from '../spiffe/id.ts';
import type { Identities, Token, X509Identity, X509State } from './identities.ts';
import { type FileState, KeptFiles } from './kept-files.ts';
import { certificatesPem, keyFile } from './pem.ts';
import type { ProjectedCertificate, ProjectedToken, Projection } from './projection.ts';

export interface ProjectorParts {
  readonly identities: Identities;
  readonly clock: Clock;
  readonly random: Random;
  /** After each change of a state. */
  readonly changed: (state: FileState) => void;
}

/** How often files are looked for, and a write that failed is tried again. */
const lookMs = 2_000;
const firstPauseMs = 1_000;
const longestPauseMs = 30_000;
/** How long an agent may take to answer for a token before it is asked again. */
const patienceMs = 30_000;

export class Projector {
  readonly #parts: ProjectorParts;
  readonly #tokens: readonly (readonly [ProjectedToken, KeptFiles])[];
  readonly #certificates: readonly (readonly [ProjectedCertificate, KeptFiles])[];

  constructor(projection: Pick<Projection, 'tokens' | 'certificates'>, parts: ProjectorParts) {
    this.#parts = parts;
    this.#tokens = projection.tokens.map((one) => [one, this.#kept(one.audience, [one.file], one)]);
    this.#certificates = projection.certificates.map((one) => [one, this.#kept('x509', filesOf(one), one)]);
  }

  get states(): readonly FileState[] {
    return this.#all.map(({ state }) => state);
  }

  /** Every file is there, and fresh. */
  get complete(): boolean {
    return this.states.every(({ writtenAt, problem }) => writtenAt !== undefined && problem === undefined);
  }

  /** Until aborted. @throws IdentityError where asking again would change nothing */
  async run(signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const until = AbortSignal.any([signal, over.signal]);
    const loops = [...this.#tokens.map(([one, kept]) => this.#keepToken(one, kept, until)), this.#look(until)];
    if (this.#certificates.length > 0) loops.push(this.#keepCertificates(until));
    try {
      await Promise.all(loops);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      over.abort();
      await Promise.allSettled([...loops, ...this.#all.map(({ told }) => told)]);
    }
  }

  /** Nothing is left behind. */
  removeAll(): void {
    for (const kept of this.#all) kept.remove();
  }

  get #all(): readonly KeptFiles[] {
    return [...this.#tokens, ...this.#certificates].map(([, kept]) => kept);
  }

  #kept(content: string, files: readonly string[], { onChange }: Pick<ProjectedToken, 'onChange'>): KeptFiles {
    const kept: KeptFiles = new KeptFiles({ content, files, onChange }, this.#parts.clock, () =>
      this.#parts.changed(kept.state),
    );
    return kept;
  }

  async #keepToken(one: ProjectedToken, kept: KeptFiles, signal: AbortSignal): Promise<void> {
    const { identities, clock, random } = this.#parts;
    for (let failures = 0; ; ) {
      let waitMs: number;
      try {
        const asking = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
        const token = await identities.token(one, asking);
        kept.put(freshToken(one, token));
        failures = 0;
        waitMs = (token.expiresAt - clock.now()) * between(0.45, 0.55, random);
      } catch (error) {
        signal.throwIfAborted();
        refused(kept, error);
        waitMs = Math.min(firstPauseMs * 2 ** failures++, longestPauseMs) * between(1, 1.5, random);
      }
      await sleep(clock, Math.max(waitMs, firstPauseMs), signal);
    }
  }

  async #keepCertificates(signal: AbortSignal): Promise<void> {
    const all = this.#certificates;
    const onError = (error: IdentityError): void => {
      for (const [, kept] of all) refused(kept, error);
    };
    for await (const state of this.#parts.identities.x509(signal, onError)) {
      for (const [one, kept] of all) {
        const svid = state.svids.find((each) => isWanted(each, one));
        if (svid === undefined)
          kept.withdraw(new IdentityError('not-found', 'none of our X.509-SVIDs is the one that is wanted'));
        else kept.put(freshCertificate(one, svid, state));
      }
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    for (;;) {
      await sleep(this.#parts.clock, lookMs, signal);
      for (const kept of this.#all) kept.look();
    }
  }
}

/** A refusal takes the files away (Workload API section 5.2.1); whatever else goes wrong leaves what is valid. */
function refused(kept: KeptFiles, error: unknown): void {
  if (!(error instanceof IdentityError)) throw error;
  if (error.code === 'invalid-argument' || error.code === 'unimplemented') throw error;
  if (error.code === 'permission-denied') kept.withdraw(error);
  else kept.failed(error);
}

const filesOf = ({ certificate, key, bundle, combined }: ProjectedCertificate): string[] =>
  [certificate, key, bundle, combined].filter((file) => file !== undefined);

const isWanted = ({ id, hint }: X509Identity, wanted: ProjectedCertificate): boolean =>
  (wanted.spiffeId === undefined || wanted.spiffeId === id) && (wanted.hint === undefined || wanted.hint === hint);

/** Without a line feed: some of those who read it take it for a part of the token. */
const freshToken = ({ file, mode }: ProjectedToken, { id, token, expiresAt }: Token) => ({
  contents: [{ path: file, bytes: token, mode }],
  spiffeId: id,
  expiresAt,
});

/** The certificate last: who waits for it to change finds its key and its bundle there. */
function freshCertificate(one: ProjectedCertificate, svid: X509Identity, { bundles }: X509State) {
  const { mode } = one;
  const own = bundles.get(SpiffeId.trustDomain(svid.id)) ?? [];
  const authorities = one.bundles === 'own' ? own : [...new Set([own, ...bundles.values()])].flat();
  const [certificates, key] = [certificatesPem(svid.certificates), keyFile(svid.privateKey, one.keyFormat)];
  const contents: Content[] = [{ path: one.key, bytes: key, mode }];
  if (one.bundle !== undefined) contents.unshift({ path: one.bundle, bytes: certificatesPem(authorities), mode });
  if (one.combined !== undefined) {
    const pem = keyFile(svid.privateKey, one.keyFormat === 'traditional' ? 'traditional' : 'pkcs8');
    contents.push({ path: one.combined, bytes: `${certificates}${pem}`, mode });
  }
  contents.push({ path: one.certificate, bytes: certificates, mode });
  return { contents, spiffeId: svid.id, expiresAt: svid.notAfter };
}

const between = (least: number, most: number, random: Random): number => least + (most - least) * random.fraction();
