/** What a run needs of the machine. Without it there would be fewer kinds of faults, and nobody would notice. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { faketime } from './surroundings.ts';

const programs = ['strace', 'prlimit', 'setpriv', 'mount', 'umount', 'go'];
const packages = 'apt-get install strace libfaketime fuse3 util-linux';

export function requireTools(): void {
  if (process.geteuid?.() !== 0) throw new Error('only root can do all this to an issuer: run it as root');
  const missing = programs.filter((program) => !isThere(program));
  if (!existsSync(faketime)) missing.push('libfaketime');
  if (missing.length > 0) throw new Error(`${missing.join(', ')} is missing: ${packages}`);
  // A container may come without the device, and let us make it.
  if (!existsSync('/dev/fuse')) execFileSync('mknod', ['/dev/fuse', 'c', '10', '229']);
}

function isThere(program: string): boolean {
  const places = (process.env['PATH'] ?? '').split(':');
  return places.some((place) => existsSync(`${place}/${program}`));
}
