/** What a workload was given last: its captures are read on from where they ended before. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { Capture, CapturedSvid } from './captures.ts';

export class Latest {
  readonly #path: string;
  #offset = 0;
  #rest = '';
  #svids: readonly CapturedSvid[] = [];

  constructor(path: string) {
    this.#path = path;
  }

  /** Its X.509-SVIDs; none where the last answer was that nothing is owed. */
  get svids(): readonly CapturedSvid[] {
    this.#readOn();
    return this.#svids;
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
    if (capture.kind === 'x509') this.#svids = capture.svids;
    if (capture.kind === 'status' && capture.method === 'FetchX509SVID' && capture.code === '7') this.#svids = [];
  }
}
