/** go-oidc, over which Kubernetes, Dex and many others verify: what it accepts, what not, and a rotation while it runs. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { encodePem } from '../../src/x509/pem.ts';
import { freePort } from '../bench/free-port.ts';
import { webCertificate } from '../fakes/bundle-endpoint.ts';
import { FakeCa, pemOf } from '../fakes/ca.ts';
import { type Mayfly, newDirectory, run, startMayfly } from '../integration/fixture.ts';
import { check, holds, same } from './checks.ts';
import { createEntry, go, id, trustDomain, users } from './stage.ts';
import { goProgram } from './tools.ts';

const audiences = { ES256: 'sts.amazonaws.com', RS256: 'api://AzureADTokenExchange' } as const;

export async function goOidc(): Promise<void> {
  await using scene = await Scene.open();
  await scene.accepted();
  await scene.refused();
  await scene.opensslAgrees();
  await scene.rotated();
  await scene.emergency();
}

interface Verdict {
  readonly subject?: string;
  readonly issuer?: string;
  readonly refused?: string;
}

class Scene implements AsyncDisposable {
  readonly issuer: string;
  readonly #mayfly: Mayfly;
  readonly #roots: string;
  readonly #party: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  private constructor(mayfly: Mayfly, issuer: string, roots: string) {
    this.issuer = issuer;
    this.#mayfly = mayfly;
    this.#roots = roots;
    this.#party = spawn(goProgram('oidc'), [issuer, roots]);
    this.#reader = createInterface(this.#party.stdout);
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  static async open(): Promise<Scene> {
    const directory = newDirectory();
    const [port, ca] = [await freePort(), new FakeCa('web.example')];
    const { cert, key } = pemOf(webCertificate(ca));
    const file = (name: string, text: string): string => {
      writeFileSync(join(directory, name), text, { mode: 0o644 });
      return join(directory, name);
    };
    const issuer = `https://localhost:${port}`;
    const files = ['--issuer-cert', file('tls.crt', cert), '--issuer-key', file('tls.key', key)];
    const flags = ['--issuer', issuer, '--issuer-listen', `127.0.0.1:${port}`, ...files];
    await using starting = new AsyncDisposableStack();
    const mayfly = starting.use(await startMayfly({ trustDomain, directory, flags }));
    await mayfly.operator.addPerson('ada');
    const asked = Object.values(audiences).flatMap((audience) => ['--audience', audience]);
    await createEntry(mayfly, id('go-client'), users.goClient, ...asked);
    starting.move();
    return new Scene(mayfly, issuer, file('roots.pem', encodePem('CERTIFICATE', ca.certificate)));
  }

  async accepted(): Promise<void> {
    await check('OA-01 OA-02 OA-04 go-oidc discovers the issuer and accepts its ES256 and its RS256', async () => {
      const ready = JSON.parse((await this.#lines.next()).value as string);
      same('ready', ready, { ready: true, algs: ['ES256', 'RS256'] });
      for (const audience of Object.values(audiences)) {
        same('verdict', await this.#judged(audience, await this.#token(audience)), {
          ...{ subject: id('go-client'), issuer: this.issuer },
        });
      }
    });
    await check('JT-04 go-spiffe validates both by the bundle, as a workload does', async () => {
      for (const audience of Object.values(audiences)) {
        const [token] = await go(this.#mayfly, users.goClient, 'jwt-source', audience);
        same('id', token?.['id'], id('go-client'));
      }
    });
  }

  async refused(): Promise<void> {
    await check(
      'R-NET-4 go-oidc refuses another audience, a changed token, and the issuer with a slash more',
      async () => {
        const token = await this.#token(audiences.ES256);
        holds('another audience', (await this.#judged('others', token)).refused?.includes('audience'));
        const [header, payload, signature = ''] = token.split('.');
        const changed = `${header}.${payload}.${signature[0] === 'A' ? 'B' : 'A'}${signature.slice(1)}`;
        holds('a changed signature', (await this.#judged(audiences.ES256, changed)).refused?.includes('signature'));
        const swapped = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT' })).toString('base64url');
        holds('no algorithm', (await this.#judged(audiences.ES256, `${swapped}.${payload}.`)).refused);
        const { stdout } = await run(goProgram('oidc'), [`${this.issuer}/`, this.#roots]);
        holds('a slash more', JSON.parse(stdout).refused?.includes('did not match'));
      },
    );
  }

  async opensslAgrees(): Promise<void> {
    await check('OA-02 openssl verifies the RS256 signature with the key that is served', async () => {
      const token = await this.#token(audiences.RS256);
      const at = token.lastIndexOf('.');
      const { kid } = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString());
      const jwk = (await this.#keys()).find((key) => key['kid'] === kid);
      const pem = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
      const [keyFile, input, signature] = ['key', 'input', 'signature'].map((name) =>
        join(this.#mayfly.directory, name),
      );
      writeFileSync(keyFile ?? '', pem);
      writeFileSync(input ?? '', token.slice(0, at));
      writeFileSync(signature ?? '', Buffer.from(token.slice(at + 1), 'base64url'));
      const words = ['dgst', '-sha256', '-verify', keyFile ?? '', '-signature', signature ?? '', input ?? ''];
      same('openssl says', (await run('openssl', words)).stdout.trim(), 'Verified OK');
    });
  }

  async rotated(): Promise<void> {
    await check(
      'OA-07 after a rotation go-oidc accepts the first token by the new key, and the old ones still',
      async () => {
        for (const [kind, audience] of [
          ['jwt', audiences.ES256],
          ['jwt-rsa', audiences.RS256],
        ] as const) {
          const before = await this.#token(audience);
          await this.#order('authority', 'rotate', kind, '--force-unpublished');
          await this.#order('authority', 'taint', kind);
          const after = await this.#token(audience);
          holds('another key signs', kidOf(after) !== kidOf(before));
          for (const token of [after, before])
            same('refused', (await this.#judged(audience, token)).refused, undefined);
        }
      },
    );
  }

  async emergency(): Promise<void> {
    await check(
      'after an emergency go-oidc does what the command says: the old until it sees a new one, then not',
      async () => {
        const audience = audiences.RS256;
        const before = await this.#token(audience);
        same('accepted before', (await this.#judged(audience, before)).refused, undefined);
        const said = await this.#order('authority', 'rotate', 'jwt', '--emergency');
        holds('the command says so', /go-oidc.*until a token by a new key is shown/.test(said));
        same('still accepted', (await this.#judged(audience, before)).refused, undefined);
        same('a new one', (await this.#judged(audience, await this.#token(audience))).refused, undefined);
        holds('the old one no more', (await this.#judged(audience, before)).refused?.includes('signature'));
      },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#reader.close();
    this.#party.kill();
    await this.#mayfly[Symbol.asyncDispose]();
  }

  async #token(audience: string): Promise<string> {
    const [token] = await go(this.#mayfly, users.goClient, 'jwt-svids', audience);
    return String(token?.['token']);
  }

  async #judged(audience: string, token: string): Promise<Verdict> {
    this.#party.stdin.write(`${audience} ${token}\n`);
    return JSON.parse((await this.#lines.next()).value as string) as Verdict;
  }

  async #order(...words: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.#mayfly.command(...words);
    if (status !== 0) throw new Error(stderr.trim());
    return stdout;
  }

  async #keys(): Promise<Record<string, unknown>[]> {
    const [response] = await once(request(`${this.issuer}/keys`, { rejectUnauthorized: false }).end(), 'response');
    let body = '';
    for await (const chunk of response) body += chunk;
    return JSON.parse(body).keys;
  }
}

const kidOf = (token: string): string =>
  JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid as string;
