/** kube-apiserver's authenticators as a process, and what they say of a request. */
import { type ChildProcess, spawn } from 'node:child_process';
import https from 'node:https';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { type Clouds, serverTls } from './stage.ts';

export const whoAmIPath = '/apis/authentication.k8s.io/v1/selfsubjectreviews';

export class KubernetesJudge implements AsyncDisposable {
  readonly address: string;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, address: string) {
    this.#process = process;
    this.address = address;
  }

  static async start(program: string, clouds: Clouds, ...words: string[]): Promise<KubernetesJudge> {
    const { tls } = clouds;
    const served = ['-tls-cert-file', join(tls, 'tls.crt'), '-tls-private-key-file', join(tls, 'tls.key')];
    const child = spawn(program, [...served, '-oidc-ca-file', join(tls, 'ca.crt'), ...words], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout });
    const { value, done } = await lines[Symbol.asyncIterator]().next();
    if (done) throw new Error('the authenticator ended before it served');
    child.stdout.resume();
    return new KubernetesJudge(child, String(value));
  }

  /** The status that a bearer of this token gets, and the name of the user that it is. */
  async judge(clouds: Clouds, token: string): Promise<{ readonly status: number; readonly user: string | undefined }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; user: string | undefined }>();
    const headers = { authorization: `Bearer ${token}`, 'content-length': 0 };
    https
      .request(
        `${this.address}${whoAmIPath}`,
        { method: 'POST', headers, ca: serverTls(clouds).ca, agent: false },
        async (response) => {
          const body = JSON.parse(await text(response)) as { status?: { userInfo?: { username?: string } } };
          resolve({ status: response.statusCode ?? 0, user: body.status?.userInfo?.username });
        },
      )
      .on('error', reject)
      .end();
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill();
    await ended;
  }
}
