/** The thread behind `FileHasher`: an order in, an answer out, in turn. */
import { createHash } from 'node:crypto';
import { readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';

export interface HashOrder {
  readonly fd: number;
  readonly size: number;
}
export type HashAnswer = { readonly digest: string } | { readonly error: string };

const chunk = Buffer.alloc(1 << 20);

parentPort?.on('message', (order: HashOrder) => parentPort?.postMessage(answer(order)));

function answer({ fd, size }: HashOrder): HashAnswer {
  try {
    const hash = createHash('sha256');
    let at = 0;
    for (let got = -1; got !== 0 && at < size; at += got) {
      got = readSync(fd, chunk, 0, Math.min(chunk.length, size - at), at);
      hash.update(chunk.subarray(0, got));
    }
    return at === size ? { digest: hash.digest('hex') } : { error: 'the file is shorter than it was' };
  } catch (error) {
    return { error: String(error) };
  }
}
