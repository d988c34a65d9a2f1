/** Processes that are not as one thinks of them: each gets what its user is owed or is cut, and mayfly goes on. */
import { copyFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Caller, fetchX509Svid } from './callers.ts';
import { type Mayfly, startMayfly, until } from './fixture.ts';

const id = (name: string): string => `spiffe://example.org/${name}`;
const python = '/usr/bin/python3';
const uid = 10_001;
const script = readFileSync(new URL('programs/odd-caller.py', import.meta.url), 'utf8');

let mayfly: Mayfly;
beforeAll(async () => {
  mayfly = await startMayfly();
  const ofUser = `unix:uid:${uid}`;
  await mayfly.operator.createAll([
    { spiffeId: id('user'), selectors: [ofUser] },
    // So that path and hash are looked at.
    { spiffeId: id('nowhere'), selectors: [ofUser, 'unix:path:/nowhere'] },
    { spiffeId: id('nothing'), selectors: [ofUser, `unix:sha256:${'0'.repeat(64)}`] },
  ]);
});
afterAll(() => mayfly[Symbol.asyncDispose]());

const caller = (way: string, program = python): Caller =>
  new Caller(program, ['-c', script, mayfly.socket, fetchX509Svid().toString('hex'), way], uid);

function programNamed(name: string): string {
  const home = join(mayfly.directory, 'programs');
  mkdirSync(home, { recursive: true });
  copyFileSync(python, join(home, name));
  return join(home, name);
}

async function servesOn(): Promise<void> {
  expect(mayfly.process.exitCode).toBeNull();
  expect((await (await mayfly.workload(uid)).x509()).svids.map(({ spiffeId }) => spiffeId)).toEqual([id('user')]);
}

describe('a caller', () => {
  it.each([
    ['whose first thread has ended', 'without-a-first-thread', 'refused'],
    ['whose program is a file in memory', 'in-memory', id('user')],
    ['that is the child of one that has ended', 'orphan', id('user')],
    ['whose child asks in its stead', 'by-its-child', 'refused'],
    ['that is stopped in the middle of its request', 'stopped-midway', id('user')],
  ])('%s gets what its user is owed, or nothing', async (_what, way, expected) => {
    using odd = caller(way);
    expect(await odd.line(0, 20_000)).toBe(expected);
    await servesOn();
  });

  it.each([Buffer.from('odd\xff\xfe', 'latin1').toString('utf8'), 'two\nlines', `${'long'.repeat(50)}`])(
    'whose program is called %j gets what its user is owed',
    async (name) => {
      using odd = caller('plain', programNamed(name));
      expect(await odd.line(0, 20_000)).toBe(id('user'));
      await servesOn();
    },
  );

  it('whose program was deleted gets what its user is owed', async () => {
    const program = programNamed('deleted');
    using odd = caller('deleted', program);
    await until('it runs', () => readFileSync(`/proc/${odd.pid}/cmdline`, 'latin1').startsWith(program), 10_000);
    rmSync(program);
    expect(await odd.line(0, 20_000)).toBe(id('user'));
    await servesOn();
  });
});
