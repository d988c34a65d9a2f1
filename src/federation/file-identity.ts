/** A certificate of the web and its key, from files that others renew. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { statSync } from 'node:fs';
import { IdentityError } from '../errors.ts';
import type { Clock } from '../runtime/clock.ts';
import { readSharedFile } from '../runtime/files.ts';
import type { Log } from '../runtime/log.ts';
import { Watch } from '../runtime/watch.ts';
import type { EndpointIdentity, KeyAndCertificate } from './endpoint-identity.ts';

export interface FileIdentityParts {
  /** For messages, as in 'the bundle endpoint'. */
  readonly whose: string;
  /** PEM, leaf first. */
  readonly certificate: string;
  readonly key: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** How often the files are looked at: whoever renews them need not tell us. */
const lookMs = 2_000;
const longestFile = 256 * 1024;

export class FileIdentity implements EndpointIdentity {
  readonly current: Watch<KeyAndCertificate>;
  problem: string | undefined;
  readonly #parts: FileIdentityParts;
  #seen: string;
  #timer: Disposable;

  /** @throws IdentityError where they cannot be used now: later the last good ones stay. */
  constructor(parts: FileIdentityParts) {
    this.#parts = parts;
    this.#seen = this.#stamp();
    this.current = new Watch(this.#read());
    this.#timer = this.#later();
  }

  reread(): void {
    const { certificate, log, whose } = this.#parts;
    this.#seen = this.#stamp();
    try {
      const next = this.#read();
      this.problem = undefined;
      if (next.cert === this.current.value.cert && next.key === this.current.value.key) return;
      this.current.set(next);
      log.info({ certificate }, `${whose} has a new certificate`);
    } catch (err) {
      this.problem = `${whose} keeps its certificate: ${err instanceof Error ? err.message : String(err)}`;
      log.error({ err }, this.problem);
    }
  }

  close(): void {
    this.#timer[Symbol.dispose]();
  }

  #later(): Disposable {
    return this.#parts.clock.after(lookMs, () => {
      if (this.#stamp() !== this.#seen) this.reread();
      this.#timer = this.#later();
    });
  }

  #read(): KeyAndCertificate {
    const { certificate, key, whose } = this.#parts;
    return checked(readSharedFile(certificate, longestFile), readSharedFile(key, longestFile), whose);
  }

  /** Another one for other files, or for other content of the same. */
  #stamp(): string {
    const { certificate, key } = this.#parts;
    const found = [certificate, key].map((path) => statSync(path, { throwIfNoEntry: false }));
    return found.map((stats) => `${stats?.ino}/${stats?.mtimeMs}/${stats?.size}`).join();
  }
}

/** Half a pair, as seen between the writing of one file and the other, is not taken. */
function checked(cert: string, key: string, whose: string): KeyAndCertificate {
  try {
    if (new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) return { cert, key };
  } catch (cause) {
    const message = `the certificate or the key of ${whose} is not PEM`;
    throw new IdentityError('failed-precondition', message, { cause });
  }
  throw new IdentityError('failed-precondition', `the key of ${whose} is not that of its certificate`);
}
