/** The kernel's own list of what mayfly asks it for while it makes its keys: strace is the judge of how they reach the disk. */
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { newDirectory, startMayfly } from '../integration/fixture.ts';
import { check, holds, same } from './checks.ts';

const calls = 'openat,write,pwrite64,fsync,rename,fchmod';

export async function systemCalls(): Promise<void> {
  await check(
    'R-KEY-1 every key and journal is written whole, synced, renamed and listed, by the word of strace',
    writes,
  );
}

async function writes(): Promise<void> {
  const directory = newDirectory();
  const trace = join(directory, 'trace');
  // -D: the tracer is nobody's parent. -ff: a file for each thread, so that no call is cut in two by another.
  const prefix = ['strace', '-D', '-f', '-ff', '-y', '-s', '0', '-qq', '-o', trace, '-e', `trace=${calls}`];
  await using mayfly = await startMayfly({ directory, prefix });
  await mayfly.operator.addPerson('ada');
  await mayfly.stop();
  const threads = globSync(`${trace}.*`).map((file) => readFileSync(file, 'latin1').split('\n'));
  const renamed = threads.flatMap((lines) => replacements(lines, mayfly.dataDirectory));
  const names = new Set(renamed.map((path) => basename(path).replace(/[0-9a-f]{32}/, '*')));
  const wanted = [
    'authorities.json',
    'head',
    'jwt-*.pem',
    'ledger.seal',
    'registry.seal',
    'registry.version',
    'x509-*.pem',
  ];
  same('files that were replaced as a whole', [...names].sort(), wanted);
}

/** The files of one thread that came to their name by a rename; throws where one was not made as it must be. */
function replacements(lines: readonly string[], data: string): string[] {
  const found: string[] = [];
  for (const [at, line] of lines.entries()) {
    const [, from, to] = /^rename\("([^"]+)", "([^"]+)"\) += 0/.exec(line) ?? [];
    // SQLite's file is made by SQLite, with its own order of calls.
    if (from === undefined || to === undefined || !to.startsWith(data) || to.endsWith('.db')) continue;
    judge(lines.slice(0, at), lines.slice(at + 1), from, to);
    found.push(to);
  }
  return found;
}

function judge(before: readonly string[], after: readonly string[], from: string, to: string): void {
  const opened = before.findLastIndex((line) => line.startsWith('openat(') && line.includes(`"${from}"`));
  const [open = '', ...since] = before.slice(opened);
  const own = since.filter((line) => line.includes(`<${from}>`));
  const last = (call: string): number => own.findLastIndex((line) => line.startsWith(`${call}(`));
  holds(`${from} lies beside ${to}`, dirname(from) === dirname(to));
  holds(`${from} is new, ours alone and no link: ${open}`, /O_CREAT\|O_EXCL\|O_NOFOLLOW.*, 0600\) = /.test(open));
  holds(`${from} is synced after the last byte`, last('write') >= 0 && last('fsync') > last('write'));
  holds(
    `${from} stays at 0600`,
    own.every((line) => !line.startsWith('fchmod(') || line.includes(', 0600)')),
  );
  const next = after.findIndex((line) => /^(write|pwrite64|rename)\(/.test(line));
  const listed = after.findIndex((line) => line.startsWith('fsync(') && line.includes(`<${dirname(to)}>)`));
  holds(`the directory of ${to} is synced before anything else is written`, listed >= 0 && (next < 0 || listed < next));
}
