import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bareCaller, Caller, fetchX509Svid, heir, holder, nodeForAll } from './callers.ts';
import { type Mayfly, startMayfly, until } from './fixture.ts';
import { decodeX509SvidResponse, encodeJwtSvidRequest } from './wire.ts';
import { allMethods, grpc } from './workload.ts';

const node = readlinkSync('/proc/self/exe');
const perl = '/usr/bin/perl';
const programOf = (name: string): string => readFileSync(new URL(`programs/${name}`, import.meta.url), 'utf8');
const passedOn = programOf('passed-on.py');
const execInStream = programOf('exec-in-stream.py');
const id = (name: string): string => `spiffe://example.org/${name}`;

let mayfly: Mayfly;
beforeAll(async () => {
  mayfly = await startMayfly();
  const audiences = ['reports'];
  await mayfly.operator.createAll([
    { spiffeId: id('web'), selectors: ['unix:uid:10001'], audiences },
    { spiffeId: id('store'), selectors: ['unix:uid:10002'], audiences },
    { spiffeId: id('as-perl'), selectors: ['unix:uid:10003', `unix:path:${perl}`] },
    { spiffeId: id('as-node'), selectors: ['unix:uid:10003', `unix:path:${node}`] },
    { spiffeId: id('as-heir'), selectors: ['unix:uid:10003', `unix:path:${nodeForAll(mayfly)}`] },
    { spiffeId: id('group'), selectors: ['unix:gid:10077'] },
    { spiffeId: id('held'), selectors: ['unix:uid:10004'] },
    { spiffeId: id('streaming'), selectors: ['unix:uid:10005'] },
    { spiffeId: id('two-conditions'), selectors: ['unix:uid:10001', 'unix:gid:1'] },
  ]);
});
afterAll(() => mayfly[Symbol.asyncDispose]());

const idsOf = (bytes: Buffer): string[] => decodeX509SvidResponse(bytes).svids.map((svid) => svid.spiffeId);

describe('identity by what the kernel says', () => {
  it('EP-15 WA-10 processes of two users get disjoint answers', async () => {
    const [web, store] = await Promise.all([mayfly.workload(10001), mayfly.workload(10002)]);
    expect((await web.x509()).svids.map((svid) => svid.spiffeId)).toEqual([id('web')]);
    expect((await store.x509()).svids.map((svid) => svid.spiffeId)).toEqual([id('store')]);
    expect((await web.jwt(['reports'])).map((svid) => svid.spiffeId)).toEqual([id('web')]);
  });

  it('EP-15 EP-16 two programs of one user get different identities, and neither takes part in it', async () => {
    using asPerl = bareCaller(mayfly, 10003);
    expect(await asPerl.line()).toBe(id('as-perl'));
    const asNode = await mayfly.workload(10003);
    expect((await asNode.x509()).svids.map((svid) => svid.spiffeId)).toEqual([id('as-node')]);
  });

  it('EP-15 a group is enough where an entry names only that', async () => {
    const member = await mayfly.workload(10055, 10077);
    expect((await member.x509()).svids.map((svid) => svid.spiffeId)).toEqual([id('group')]);
  });

  it('SE-11 an identity of others and one that does not exist are refused in the same words', async () => {
    const web = await mayfly.workload(10001);
    const ask = (spiffeId: string) =>
      web.call('FetchJWTSVID', { request: encodeJwtSvidRequest(['reports'], spiffeId) });
    const [others, nobodys] = await Promise.all([ask(id('store')), ask(id('no-such-thing'))]);
    expect(others).toEqual(nobodys);
    expect(others.code).toBe(grpc.permissionDenied);
  });

  it('SE-11 no refusal shows a selector, a path, a stack or who it is that was asked for', async () => {
    const stranger = await mayfly.workload(10099);
    for (const method of allMethods) {
      for (const metadata of [undefined, []]) {
        const { text } = await stranger.call(method, metadata === undefined ? {} : { metadata });
        expect(text).not.toMatch(/unix:|uid|10099|\/usr|\/proc|node:|\.ts|\bat \w+|example\.org|entry/i);
      }
    }
  });
});

describe('a caller that is no longer who it was', () => {
  it('SE-02 the death of the caller ends its stream, even when a child holds the connection', async () => {
    using parent = holder(mayfly, 10004);
    expect(await parent.line(0)).toBe('open');
    await until('the stream counts', async () => (await mayfly.operator.status()).openStreams >= 1);
    parent.kill();
    expect(await parent.line(1)).toBe('closed');
  });

  it('R-PEER-2 an exec in mid-stream ends the stream: whoever else has the connection hears nothing more', async () => {
    const words = [mayfly.socket, fetchX509Svid().toString('hex')];
    using caller = new Caller('/usr/bin/python3', ['-c', execInStream, ...words], 10005);
    expect(await caller.line(0, 15_000)).toBe('first');
    await mayfly.operator.create({ spiffeId: id('pushed'), selectors: ['unix:uid:10005'] });
    expect(await caller.line(1, 15_000)).toBe('closed');
    expect(await mayfly.operator.records({ spiffeId: id('pushed'), kind: 'x509-svid.issued' })).toEqual([]);
  });

  it('SE-03 a program that connects and becomes another gets nothing, or what the other is owed; never the first’s', async () => {
    using caller = heir(mayfly, 10003);
    const outcome = JSON.parse(await caller.line(0)) as { message?: string; status?: number; closed?: string };
    if (outcome.message !== undefined) expect(idsOf(Buffer.from(outcome.message, 'base64'))).toEqual([id('as-heir')]);
    else
      expect(outcome.status ?? outcome.closed).toSatisfy(
        (why) => why === grpc.permissionDenied || typeof why === 'string',
      );
  });
});

describe('a connection that changed hands before a word was said on it', () => {
  const [owner, stranger, owed] = [10001, 10099, 10002];

  it.each([
    ['sent over a socket (SCM_RIGHTS) to a user who is owed nothing', 'send', stranger],
    ['sent over a socket (SCM_RIGHTS) to a user who is owed something else', 'send', owed],
    ['inherited by a child that became another user', 'inherit', stranger],
    ['sent to another process of the same user', 'send', owner],
  ])('R-PEER-3 gets nothing: %s', async (_, how, speaker) => {
    const cut = async (): Promise<number> =>
      (await mayfly.operator.records({ kind: 'attestation.refused' })).filter(
        ({ json }) => json.includes('"peer-is-not-the-writer"') && json.includes(`"uid":${owner},`),
      ).length;
    const before = await cut();
    const words = [mayfly.socket, fetchX509Svid().toString('hex'), how, String(owner), String(speaker)];
    using caller = new Caller('/usr/bin/python3', ['-c', passedOn, ...words]);
    expect(await caller.line(0, 15_000)).toBe('closed');
    expect(await cut()).toBe(before + 1);
  });

  it('R-PEER-3 would get something if whoever connected spoke: it is the change of hands that is refused', async () => {
    const words = [mayfly.socket, fetchX509Svid().toString('hex')];
    const script = `import socket, sys\ns = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(bytes.fromhex(sys.argv[2]))\nheard = b''\nwhile b'spiffe://' not in heard: heard += s.recv(65536)\nprint('answered', flush=True)`;
    using caller = new Caller('/usr/bin/python3', ['-c', script, ...words], owner);
    expect(await caller.line(0, 15_000)).toBe('answered');
  });
});

describe('an operator who asks about a process', () => {
  it('hears why one would be refused whatever is registered, which the process itself does not', async () => {
    // Whoever `exec`s does not ask for the children of what it was: the child stays, ended.
    const parent = spawn('sh', ['-c', 'sleep 1 & echo $!; exec sleep 600'], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [pid] = (await once(parent.stdout, 'data')) as [Buffer];
      const zombie = pid.toString().trim();
      await until('it has ended', () => /\) Z /.test(readFileSync(`/proc/${zombie}/stat`, 'latin1')));
      const { status, stderr } = await mayfly.command('explain', '--pid', zombie);
      expect(stderr).toContain(`process ${zombie} would be refused whatever is registered: `);
      expect(status).toBe(6);
    } finally {
      parent.kill('SIGKILL');
    }
  });

  it('hears that there is no such process', async () => {
    const { status, stderr } = await mayfly.command('explain', '--pid', '4194304');
    expect(stderr).toContain('no process has pid 4194304');
    expect(status).toBe(4);
  });
});
