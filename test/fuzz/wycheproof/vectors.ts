/**
 * The test vectors of Project Wycheproof (https://github.com/C2SP/wycheproof), from the Go module of that name: `go mod
 * download` checks them against the public checksum database and keeps them in the module cache. None are kept here.
 */
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A pseudo-version: the vectors have no releases. */
export const version = 'v0.0.0-20260902155932-3fa63dd0344a';

export interface Vector {
  readonly tcId: number;
  readonly comment: string;
  readonly flags: readonly string[];
  /** "acceptable": some verifiers take it, and either verdict is right. */
  readonly result: 'valid' | 'invalid' | 'acceptable';
  /** Of signatures, hexadecimal. */
  readonly msg: string;
  readonly sig: string;
  /** Of tokens: compact, or an object in JSON serialization. */
  readonly jws?: unknown;
  readonly jwe?: unknown;
}

export interface Group {
  readonly publicKeyDer: string;
  readonly sha: string;
  /** Of RSA-PSS. */
  readonly mgf?: string;
  readonly mgfSha?: string;
  readonly sLen?: number;
  /** Keys or key sets of tokens. */
  readonly public?: object;
  readonly private?: object;
  readonly tests: readonly Vector[];
}

export class Vectors {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** @throws Error saying why they cannot be had */
  static async download(): Promise<Vectors> {
    const what = `github.com/c2sp/wycheproof@${version}`;
    const { stdout } = await promisify(execFile)('go', ['mod', 'download', '-json', what], { timeout: 300_000 });
    const { Dir } = JSON.parse(stdout) as { Dir: string };
    return new Vectors(join(Dir, 'testvectors_v1'));
  }

  /** Names of files that fit, without `_test.json`. */
  names(pattern: string): string[] {
    return globSync(`${pattern}_test.json`, { cwd: this.#directory })
      .map((name) => name.replace(/_test\.json$/, ''))
      .sort();
  }

  groups(name: string): readonly Group[] {
    const text = readFileSync(join(this.#directory, `${name}_test.json`), 'utf8');
    return (JSON.parse(text) as { testGroups: readonly Group[] }).testGroups;
  }
}

export const keysOf = ({ public: known, private: secret }: Group): readonly object[] => {
  const key = known ?? secret ?? {};
  return 'keys' in key ? (key.keys as readonly object[]) : [key];
};

/** RFC 7518 section 3.5: the same hash in the mask, and a salt as long as it is. */
export const isOurPss = ({ sha, mgfSha, sLen = 0 }: Group): boolean =>
  /^SHA-(256|384|512)$/.test(sha) && mgfSha === sha && sLen * 8 === Number(sha.slice(4));
