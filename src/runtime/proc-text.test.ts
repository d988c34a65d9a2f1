import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findIdLines, parseIds, parseStartTime } from './proc-text.ts';

const status = (lines: string): Buffer => Buffer.from(`Name:\tweb\nUmask:\t0022\n${lines}\nVmPeak:\t 1 kB\n`);
const ids = 'Uid:\t1000\t1001\t1002\t1003\nGid:\t2000\t2001\t2002\t2003\nFDSize:\t256\nGroups:\t4 24 27 ';
const stat = (name: string, startTime = '4321'): Buffer =>
  Buffer.from(`77 (${name}) S ${Array.from({ length: 18 }, (_, n) => n).join(' ')} ${startTime} 99 1\n`);

describe('what /proc says of a process', () => {
  it('is its effective ids and its groups', () => {
    expect(parseIds(findIdLines(status(ids)))).toEqual({ uid: 1001, gid: 2001, supplementaryGids: [4, 24, 27] });
  });

  it('is read as the kernel of this machine writes it', () => {
    const own = parseIds(findIdLines(readFileSync('/proc/self/status')));
    expect([own.uid, own.gid]).toEqual([process.geteuid?.(), process.getegid?.()]);
    expect(parseStartTime(readFileSync('/proc/self/stat'))).toBeGreaterThan(0n);
  });

  it.each(['', 'Uid:\t1', 'Uid:\tx\ty\nGid:\t1\t2\nGroups:\t', 'Uid:\t1\t2\nGroups:\t', `${ids}9x`, `${ids}0x10`])(
    'is doubt where it does not read as expected: %j',
    (lines) => {
      expect(() => parseIds(findIdLines(status(lines)))).toThrow(
        expect.objectContaining({ code: 'permission-denied', reason: 'peer-gone' }),
      );
    },
  );

  it.each(['web', 'a b', ') S 1 2 3', ':) (', '0 (x) R 1'])(
    'R-PEER-6 is not moved by the name it gave itself: %j',
    (name) => {
      expect(parseStartTime(stat(name))).toBe(4321n);
    },
  );

  it('R-PEER-6 is not moved by any bytes that a process may have for a name', () => {
    const names = fc.string({ unit: fc.constantFrom(...')( \n\t\\:0SUidG\u0000é'), maxLength: 15 });
    fc.assert(
      fc.property(names, (name) => {
        expect(parseStartTime(stat(name))).toBe(4321n);
        // In `status` the kernel writes a line break in a name as two characters.
        const escaped = name.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
        const found = findIdLines(Buffer.from(`Name:\t${escaped}\nUmask:\t0022\n${ids}\nVmPeak:\t 1 kB\n`));
        expect(parseIds(found)).toEqual({ uid: 1001, gid: 2001, supplementaryGids: [4, 24, 27] });
      }),
      { numRuns: 5_000 },
    );
  });

  it.each(['x) S 0 0 (', '\nUid:\t0\t0\t0', '\nGroups:\t0 \n', '\\\nUid:\t0', ')))))))))))))))', 'S 1 1 1 1 1 1 1'])(
    'R-PEER-6 is not moved by the name %j of a real process',
    async (name) => {
      const own = readFileSync('/proc/self/status');
      const python =
        'import sys; open("/proc/self/comm", "wb").write(sys.argv[1].encode()); print(1, flush=True); input()';
      const child = spawn('/usr/bin/python3', ['-c', python, name], { uid: 10_001, gid: 10_002 });
      try {
        await once(child.stdout, 'data');
        const read = (file: string): Buffer => readFileSync(`/proc/${child.pid}/${file}`);
        const { uid, gid } = parseIds(findIdLines(read('status')));
        expect([uid, gid]).toEqual([10_001, 10_002]);
        expect(parseStartTime(read('stat'))).toBeGreaterThan(parseStartTime(readFileSync('/proc/self/stat')));
        expect(parseIds(findIdLines(own)).uid).toBe(process.geteuid?.());
      } finally {
        child.kill('SIGKILL');
      }
    },
  );

  it('has a start time that is a number, or it is doubt', () => {
    for (const bad of ['', '-1', '1e3', 'x'])
      expect(() => parseStartTime(stat('web', bad)), bad).toThrow(expect.objectContaining({ reason: 'peer-gone' }));
  });
});
