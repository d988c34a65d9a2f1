import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Caller, fetchX509Svid } from './callers.ts';
import { type Mayfly, startMayfly } from './fixture.ts';

const spiffeId = 'spiffe://example.org/web';
/** Whoever has subordinate ids can be in as many groups as a user namespace of its own allows. */
const script = `
import os, socket, sys
os.setgroups(range(20000, 20000 + int(sys.argv[3])))
os.setgid(10001)
os.setuid(10001)
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect(sys.argv[1])
heard = b''
try:
    s.sendall(bytes.fromhex(sys.argv[2]))
    while b'spiffe://' not in heard:
        more = s.recv(65536)
        if not more: break
        heard += more
except ConnectionError:
    pass
print('answered' if b'spiffe://' in heard else 'refused', flush=True)
`;

let mayfly: Mayfly;
beforeAll(async () => {
  mayfly = await startMayfly();
  await mayfly.operator.create({ spiffeId, selectors: ['unix:uid:10001'] });
});
afterAll(() => mayfly[Symbol.asyncDispose]());

describe('a caller in many groups', () => {
  it.each([
    [0, 'answered'],
    [300, 'answered'],
    [4_000, 'answered'],
    [5_000, 'refused'],
    [60_000, 'refused'],
  ])('R-RES-1 in %d of them, is %s, and everybody else is served on', async (groups, expected) => {
    const words = [mayfly.socket, fetchX509Svid().toString('hex'), String(groups)];
    using caller = new Caller('/usr/bin/python3', ['-c', script, ...words]);
    expect(await caller.line(0, 15_000)).toBe(expected);
    expect(mayfly.process.exitCode).toBeNull();
    expect((await (await mayfly.workload(10001)).x509()).svids).toHaveLength(1);
  });
});
