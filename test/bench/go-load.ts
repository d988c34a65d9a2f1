/** The load generator in Go, with go-spiffe's stubs: built where it is missing or older than its source. */
import { existsSync, globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../integration/fixture.ts';
import type { Load } from './rates.ts';

const directory = join(import.meta.dirname, 'go');
export const goProgram = join(directory, 'bin', 'load');

export async function buildGoLoad(): Promise<void> {
  const newest = Math.max(...globSync(join(directory, '*.{go,mod,sum}')).map((file) => statSync(file).mtimeMs));
  if (existsSync(goProgram) && statSync(goProgram).mtimeMs > newest) return;
  const env = { ...process.env, GOFLAGS: '-buildvcs=false -mod=readonly' };
  const built = await run('go', ['build', '-o', 'bin/load', '.'], { cwd: directory, env, timeout: 300_000 });
  if (built.status !== 0) throw new Error(`go build failed: ${built.stderr.trim() || 'is Go 1.26 installed?'}`);
}

export interface GoOptions {
  /** The name of a gRPC status in Go's spelling; every answer must have it. */
  readonly expected?: string;
  readonly seconds: number;
  readonly lanes: number;
  /** `-fresh`, `-rate` and others of the program's own. */
  readonly flags?: readonly string[];
  /** A copy of it, which is another program to the issuer. */
  readonly program?: string;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/** `calls`: FetchJWTSVID over a few connections. `connects`: a new connection each time, to its first X.509-SVID. */
export async function goLoad(kind: 'calls' | 'connects', socket: string, options: GoOptions): Promise<Load> {
  const { expected = 'OK', seconds, lanes, flags = [], program = goProgram, signal } = options;
  const words = [kind, '-socket', socket, '-seconds', String(seconds), '-lanes', String(lanes), ...flags];
  const { status, stdout, stderr } = await run(program, words, { timeout: (seconds + 30) * 1000, signal });
  if (status !== 0) throw new Error(`load ${kind}: ${stderr.trim()}`);
  const { statuses, ...load } = JSON.parse(stdout) as Load & { readonly statuses: Record<string, number> };
  const others = Object.entries(statuses).filter(([code]) => code !== expected);
  if (others.length > 0) throw new Error(`unexpected answers: ${JSON.stringify(others)}`);
  return load;
}
