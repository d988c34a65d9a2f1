import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { assertSight, ownPidIn } from './sight.ts';

const module = fileURLToPath(new URL('sight.ts', import.meta.url));
const ask = `import(${JSON.stringify(module)}).then(({ assertSight }) => assertSight()).then(() => console.log('sees'), (error) => console.log(error.message))`;
const askIn = (...namespaces: readonly string[]): string =>
  execFileSync('unshare', [...namespaces, process.execPath, '-e', ask], { encoding: 'utf8' });

describe('the kernel and /proc', () => {
  it('tell processes apart on this machine, and in a PID namespace with a /proc of its own', () => {
    expect(assertSight).not.toThrow();
    expect(askIn('--pid', '--fork', '--mount-proc')).toBe('sees\n');
  });

  it('R-PEER-1 are refused where the pids of /proc are those of another namespace: they would be other processes', () => {
    expect(askIn('--pid', '--fork')).toMatch(/another PID namespace.*mount -t proc/);
  });

  it('are refused where there is no /proc', () => {
    const hide = ['--mount', 'sh', '-c', 'mount -t tmpfs none /proc && exec "$0" "$@"'];
    expect(askIn(...hide)).toMatch(/\/proc cannot be read/);
  });

  it.each(['', 'NStgid:\t77\t1\n', 'NStgid:\t\n'])('have no single pid for us in %j', (line) => {
    expect(ownPidIn(`Name:\tnode\n${line}Pid:\t1\n`)).toBeNaN();
  });
});
