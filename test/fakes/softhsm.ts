/** A token of SoftHSM2 in a directory of its own, and what somebody at the machine does to it. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const places = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
];

/** Where its library is. */
export function softHsmModule(): string {
  const found = places.find((path) => existsSync(path));
  if (found === undefined) throw new Error('SoftHSM2 is not installed: apt-get install softhsm2');
  return found;
}

export class SoftHsm implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'mayfly-token-'));
  readonly configuration = join(this.directory, 'softhsm2.conf');
  readonly pinFile = join(this.directory, 'pin');
  readonly #tokens = join(this.directory, 'tokens');
  readonly #away = join(this.directory, 'away');
  readonly pin = '271828';

  constructor(...labels: readonly string[]) {
    mkdirSync(this.#tokens);
    writeFileSync(this.configuration, `directories.tokendir = ${this.#tokens}\nlog.level = ERROR\n`);
    writeFileSync(this.pinFile, `${this.pin}\n`, { mode: 0o600 });
    for (const label of labels) {
      this.#run('softhsm2-util', '--init-token', '--free', '--label', label, '--pin', this.pin, '--so-pin', '314159');
    }
  }

  get environment(): { readonly SOFTHSM2_CONF: string } {
    return { SOFTHSM2_CONF: this.configuration };
  }

  /** Somebody pulls it out. */
  remove(): void {
    renameSync(this.#tokens, this.#away);
    mkdirSync(this.#tokens);
  }

  insert(): void {
    rmSync(this.#tokens, { recursive: true });
    renameSync(this.#away, this.#tokens);
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #run(program: string, ...args: readonly string[]): string {
    return execFileSync(program, args, {
      encoding: 'utf8',
      env: { ...process.env, ...this.environment },
      stdio: 'pipe',
    });
  }
}
