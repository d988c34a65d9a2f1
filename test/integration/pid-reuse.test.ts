import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

describe('a pid that was given to another process', () => {
  it('SE-01 R-PEER-1 never carries the identity of the one that had it before', () => {
    const home = mkdtempSync('/run/mayfly-pid-');
    chmodSync(home, 0o755);
    const attack = join(import.meta.dirname, 'pid-reuse-attack.ts');
    const words = ['--pid', '--fork', '--mount-proc', process.execPath, attack, join(home, 'p.sock'), '60'];
    const tally = JSON.parse(execFileSync('unshare', words, { encoding: 'utf8', timeout: 90_000 }));
    rmSync(home, { recursive: true });
    expect(tally.rounds).toBe(60);
    expect(tally.reused).toBeGreaterThan(40);
    expect(tally.mistaken).toBe(0);
  });
});
