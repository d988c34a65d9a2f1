/** SHA-256 of open files, one after the other, in a thread of its own: a large file stands in nobody's way. */
import { Worker } from 'node:worker_threads';
import type { HashAnswer, HashOrder } from './file-hash-thread.ts';

interface Waiting {
  readonly resolve: (digest: string) => void;
  readonly reject: (error: Error) => void;
}

/** What the thread may use for itself; it needs a buffer and little else. */
const resourceLimits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 };

export class FileHasher {
  #thread: Worker | undefined;
  readonly #waiting: Waiting[] = [];

  /** Lower-case hex of the first `size` bytes behind the descriptor, which stays the caller's and open until then. */
  sha256(fd: number, size: number): Promise<string> {
    this.#thread ??= this.#start();
    this.#thread.postMessage({ fd, size } satisfies HashOrder);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Ends the thread, as soon as what it waits for lets it. */
  abandon(): void {
    void this.#thread?.terminate();
  }

  /** Runs from source and from `dist/`. Never keeps the process alive by itself. */
  #start(): Worker {
    const program = import.meta.url.endsWith('.ts') ? './file-hash-thread.ts' : './file-hash-thread.js';
    const thread = new Worker(new URL(program, import.meta.url), { resourceLimits, env: {}, execArgv: [] });
    thread.on('message', (answer: HashAnswer) => {
      const waiting = this.#waiting.shift();
      if ('digest' in answer) waiting?.resolve(answer.digest);
      else waiting?.reject(new Error(answer.error));
    });
    thread.on('error', () => undefined);
    thread.on('exit', () => this.#ended());
    // Last: a listener for messages would hold the process again.
    thread.unref();
    return thread;
  }

  /** The next order starts another thread. */
  #ended(): void {
    this.#thread = undefined;
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('the thread that hashes has ended'));
  }
}
