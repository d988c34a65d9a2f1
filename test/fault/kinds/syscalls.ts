/** System calls that fail in the kernel's own way, from the first one on: strace puts the error in their place. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Broken } from '../broken.ts';
import type { Work } from '../lane.ts';
import type { Row } from '../matrix.ts';
import type { Scene } from '../scene.ts';

const calls: readonly { readonly names: string; readonly codes: readonly string[] }[] = [
  { names: 'fsync,fdatasync', codes: ['EIO', 'ENOSPC'] },
  { names: 'write,pwrite64', codes: ['EIO', 'ENOSPC', 'EDQUOT'] },
  { names: 'rename', codes: ['EIO', 'ENOSPC'] },
  { names: 'openat', codes: ['EMFILE', 'EIO', 'EACCES'] },
  { names: 'read,pread64', codes: ['EIO'] },
  { names: 'ftruncate', codes: ['EIO'] },
  { names: 'unlink', codes: ['EIO'] },
];
const deepest = 30;
const files = [
  'registry.db',
  'registry.db-wal',
  'registry.version',
  '.registry.version.new',
  'authorities.json',
  '.authorities.json.new',
  'ledger',
  'ledger/head',
  'keys',
];

export const failSyscalls =
  (count: number): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    await scene.start();
    while (tally.injected < count && !lane.over) {
      if (scene.alive) await scene.kill();
      const { names = '', codes = [] } = scene.chance.of(calls) ?? {};
      const code = scene.chance.of(codes) ?? 'EIO';
      const trace = join(scene.directory, 'strace.txt');
      const injection = `${names}:error=${code}:when=${1 + scene.chance.below(deepest)}`;
      scene.history.write({ t: 'fault', kind: tally.kind, what: injection });
      if (await scene.start({ prefix: strace(scene, names, injection, trace), mayEnd: true })) await work(scene);
      const injected = existsSync(trace) && readFileSync(trace, 'latin1').includes('(INJECTED)');
      if (injected) tally.inject(rowOf(code), `${code} from ${names.split(',')[0]}`);
      rmSync(trace, { force: true });
      // What it left behind is good enough for the next one.
      if (!scene.alive && !(await scene.start())) throw new Broken('unreachable');
    }
    // The last one may still have its failure before it.
    if (scene.alive) await scene.kill();
  };

const rowOf = (code: string): Row => (/ENOSPC|EDQUOT/.test(code) ? 5 : code === 'EMFILE' ? 23 : 6);

/** The tracer is nobody's parent, so that the process we start is the issuer. */
function strace({ data }: Scene, names: string, injection: string, trace: string): string[] {
  const segments = Array.from({ length: 60 }, (_, index) => `ledger/${String(index + 1).padStart(6, '0')}.ndjson`);
  const paths = [data, ...[...files, ...segments].map((file) => join(data, file))].flatMap((path) => ['-P', path]);
  return [
    'strace',
    '-f',
    '-D',
    '-qq',
    '--seccomp-bpf',
    '-o',
    trace,
    ...paths,
    '-e',
    `trace=${names}`,
    '-e',
    `inject=${injection}`,
  ];
}

async function work(scene: Scene): Promise<void> {
  for (let count = 0; count < 12 && scene.alive; count++) await scene.operator.anything();
  if (scene.issuer.ended) await scene.ended();
}
