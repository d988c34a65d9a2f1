import { readFileSync } from 'node:fs';
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

  it.each(['web', 'a b', ') S 1 2 3', ':) (', '0 (x) R 1'])('is not moved by the name it gave itself: %j', (name) => {
    expect(parseStartTime(stat(name))).toBe(4321n);
  });

  it('has a start time that is a number, or it is doubt', () => {
    for (const bad of ['', '-1', '1e3', 'x'])
      expect(() => parseStartTime(stat('web', bad)), bad).toThrow(expect.objectContaining({ reason: 'peer-gone' }));
  });
});
