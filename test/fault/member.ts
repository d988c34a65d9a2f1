/** One of several issuers of a trust domain, over all its lives; and what a workload on its machine is given by it. */
import { once } from 'node:events';
import { join } from 'node:path';
import { type ClientReadableStream, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { diskJournal, Journal, type PlannedKey } from '../../src/authority/journal.ts';
import { SpiffeWorkloadAPIClient, type X509SVIDResponse } from '../../src/gen/workload.ts';
import { Operator } from '../integration/admin.ts';
import { Issuer } from './issuer.ts';
import { trustDomain } from './rotation-orders.ts';

const spiffeId = `spiffe://${trustDomain}/web`;
const audience = 'reports';

export class Member {
  readonly #directory: string;
  #life: { readonly issuer: Issuer; readonly operator: Operator } | undefined;

  /** @param directory with its settings in mayfly.yaml */
  constructor(directory: string) {
    this.#directory = directory;
  }

  get data(): string {
    return join(this.#directory, 'data');
  }

  get adminSocket(): string {
    return join(this.#directory, 'admin', 'admin.sock');
  }

  get issuer(): Issuer {
    return this.#present.issuer;
  }

  get operator(): Operator {
    return this.#present.operator;
  }

  get #present(): { readonly issuer: Issuer; readonly operator: Operator } {
    if (this.#life === undefined) throw new TypeError('it was never started');
    return this.#life;
  }

  /** @returns whether it serves */
  async start(): Promise<boolean> {
    this.#life?.operator[Symbol.dispose]();
    const places = ['--data-dir', this.data, '--socket', this.#socket, '--admin-socket', this.adminSocket];
    const flags = ['--trust-domain', trustDomain, '--config', join(this.#directory, 'mayfly.yaml'), ...places];
    const issuer = new Issuer({ flags, log: join(this.#directory, 'log') });
    this.#life = { issuer, operator: new Operator(this.adminSocket) };
    return (await issuer.ready) !== undefined;
  }

  async stop(): Promise<void> {
    this.#life?.operator[Symbol.dispose]();
    this.#life?.issuer.signal('SIGTERM');
    await this.#life?.issuer.exited;
  }

  /** From now on this process is owed something. */
  async owe(): Promise<void> {
    await this.operator.addPerson('ada');
    await this.operator.create({ spiffeId, selectors: [`unix:uid:${process.geteuid?.()}`], audiences: [audience] });
  }

  /** Keys that are noted and belong to nobody yet. */
  planned(): readonly PlannedKey[] {
    return Journal.open(diskJournal(join(this.data, 'authorities.json')), trustDomain).content.planned;
  }

  /** What its bundle says, in an order of its own. */
  async published(): Promise<readonly string[]> {
    return (await this.#keys()).map((key) => JSON.stringify(key)).sort();
  }

  /** Ids of the JWT keys in its bundle. */
  async tokenKeys(): Promise<readonly string[]> {
    return (await this.#keys()).flatMap(({ kid }) => (kid === undefined ? [] : [kid]));
  }

  async #keys(): Promise<readonly { readonly kid?: string }[]> {
    return (JSON.parse((await this.operator.bundle()).spiffe) as { keys: { kid?: string }[] }).keys;
  }

  /** Of a new X509-SVID, its certificates. */
  chain(): Promise<Buffer> {
    return this.#ask(async (client, metadata) => {
      const call: ClientReadableStream<X509SVIDResponse> = client.fetchX509Svid({}, metadata);
      const [{ svids }] = (await once(call, 'data')) as [X509SVIDResponse];
      call.on('error', () => undefined).cancel();
      return svids[0]?.x509Svid ?? Buffer.alloc(0);
    });
  }

  token(): Promise<string> {
    return this.#ask(
      (client, metadata) =>
        new Promise<string>((resolve, reject) => {
          client.fetchJwtsvid({ audience: [audience], spiffeId: '' }, metadata, (fault, answer) =>
            fault === null ? resolve(answer.svids[0]?.svid ?? '') : reject(fault),
          );
        }),
    );
  }

  /** Rejects where it does not believe it. */
  validate(svid: string): Promise<void> {
    return this.#ask(
      (client, metadata) =>
        new Promise<void>((resolve, reject) => {
          client.validateJwtsvid({ audience, svid }, metadata, (fault: ServiceError | null) =>
            fault === null ? resolve() : reject(fault),
          );
        }),
    );
  }

  async #ask<T>(call: (client: SpiffeWorkloadAPIClient, metadata: Metadata) => Promise<T>): Promise<T> {
    const options = { 'grpc.default_authority': 'localhost', 'grpc.use_local_subchannel_pool': 1 };
    const client = new SpiffeWorkloadAPIClient(`unix:${this.#socket}`, credentials.createInsecure(), options);
    const metadata = new Metadata();
    metadata.set('workload.spiffe.io', 'true');
    try {
      return await call(client, metadata);
    } finally {
      client.close();
    }
  }

  get #socket(): string {
    return join(this.#directory, 'run', 'api.sock');
  }
}
