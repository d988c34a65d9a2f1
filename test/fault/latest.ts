/** What a workload was given last: its captures are read on from where they ended before. */
import { X509Certificate } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { Capture, CapturedSvid } from './captures.ts';

export class Latest {
  readonly #path: string;
  #offset = 0;
  #rest = '';
  #svids: readonly CapturedSvid[] = [];
  #token: string | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** Its X.509-SVIDs; none where the last answer was that nothing is owed. */
  get svids(): readonly CapturedSvid[] {
    this.#readOn();
    return this.#svids;
  }

  /** What could be taken from it: serial numbers, and the `jti` of its last token. */
  get names(): readonly string[] {
    const serials = this.svids.map(({ chain }) => new X509Certificate(Buffer.from(chain, 'base64')).serialNumber);
    const [, claims = ''] = this.#token?.split('.') ?? [];
    const jti = claims === '' ? [] : [(JSON.parse(Buffer.from(claims, 'base64url').toString()) as { jti: string }).jti];
    return [...serials.map((serial) => serial.toLowerCase().replace(/^(?:00)+/, '')), ...jti];
  }

  #readOn(): void {
    const fd = openSync(this.#path, 'r');
    try {
      const bytes = Buffer.alloc(Math.max(0, fstatSync(fd).size - this.#offset));
      this.#offset += readSync(fd, bytes, 0, bytes.length, this.#offset);
      const lines = (this.#rest + bytes.toString()).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.#hear(JSON.parse(line) as Capture);
    } finally {
      closeSync(fd);
    }
  }

  #hear(capture: Capture): void {
    if (capture.kind === 'jwt') this.#token = capture.tokens[0]?.token;
    if (capture.kind === 'x509') this.#svids = capture.svids;
    if (capture.kind === 'status' && capture.method === 'FetchX509SVID' && capture.code === '7') this.#svids = [];
  }
}
