/** What callers put into every field that is theirs, and where it may turn up: nowhere, or as text that nobody obeys. */
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Caller, fetchX509Svid } from './callers.ts';
import { first, type Mayfly, startMayfly } from './fixture.ts';
import { frame, rawCall, security } from './raw-http2.ts';
import { encodeJwtSvidRequest, encodeValidateRequest } from './wire.ts';

const canary = 'c4n4ry';
/** Ends a JSON string, begins a line, colours a terminal, turns its text around. */
const hostile = `"},\n{"level":"error","msg":"FORGED"}\r\n\x1b[31m\x9b2J\u202e\u2028${canary}`;
const methods = ['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTSVID', 'FetchJWTBundles', 'ValidateJWTSVID'];

let mayfly: Mayfly;
let written: string;
let token: string;

beforeAll(async () => {
  mayfly = await startMayfly({ flags: ['--log-level', 'debug'] });
  const audiences = ['reports', canary, '"},*'];
  await mayfly.operator.create({ spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:10001'], audiences });
  const web = await mayfly.workload(10001);
  token = first(await web.jwt(['reports'])).svid;
  for (const text of [hostile, canary, `${token.slice(0, -4)}${canary}`, `${canary}.${token}`]) {
    await web.validate(text, token);
    await web.validate('reports', text);
    await web.call('FetchJWTSVID', { request: encodeJwtSvidRequest([text]) });
    await web.call('FetchJWTSVID', { request: encodeJwtSvidRequest(['reports'], text) });
    await web.call('FetchJWTSVID', { request: Buffer.from(text) });
  }
  await secretHeaders();
  await mayfly.operator.records();
  await namesOfProcesses();
  written = `${mayfly.output}\n${(await mayfly.operator.records()).map(({ json }) => json).join('\n')}`;
});
afterAll(() => mayfly[Symbol.asyncDispose]());

/** As a client would send that was configured for another service. */
async function secretHeaders(): Promise<void> {
  const secret = { authorization: `Bearer ${canary}`, cookie: canary, 'x-api-key': canary, 'grpc-trace-bin': canary };
  for (const headers of [secret, { ...secret, ...security }]) {
    for (const method of methods) {
      const body = frame(encodeValidateRequest(canary, canary));
      await rawCall(mayfly.socket, { path: `/SpiffeWorkloadAPI/${method}`, headers, body });
    }
  }
  await rawCall(mayfly.socket, { path: '/FORGED/\x9b31m\u0080\u009f' });
}

/** A program whose path, name and arguments are the caller's fiction; it is refused, and the operator asks why. */
async function namesOfProcesses(): Promise<void> {
  const program = join(mayfly.directory, hostile.replaceAll('/', ''));
  copyFileSync('/usr/bin/perl', program);
  const script =
    'use IO::Socket::UNIX; open(C, ">/proc/self/comm"); print C $ARGV[2]; close C; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]); print $s pack("H*", $ARGV[1]); $s->flush; sysread $s, my $b, 9; print "said\\n"; $| = 1; print "\\n"; sleep 60';
  using caller = new Caller(program, ['-e', script, mayfly.socket, fetchX509Svid().toString('hex'), hostile], 10_099);
  await caller.line();
  const { stdout } = await mayfly.command('explain', '--pid', String(caller.pid));
  expect(stdout).toContain('\\u{1b}[31m');
  expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  const json = (await mayfly.command('explain', '--pid', String(caller.pid), '--json')).stdout;
  expect(JSON.parse(json).path).toBe(program);
  expect(json.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
}

describe('what callers sent', () => {
  it('R-AUD-1 has left no secret in the log, at any level, in the ledger or in a file', async () => {
    const secrets = [`Bearer ${canary}`, `cookie`, token.split('.')[2] ?? '', `${canary}.ey`];
    for (const secret of secrets) expect(written.includes(secret), secret).toBe(false);
    // An audience that the entry allows is on record: that is whom the token is for.
    const lines = written.split('\n').filter((line) => line.includes(canary));
    expect(lines.filter((line) => !/"kind":"(jwt-svid\.issued|entry\.created)"/.test(line))).toEqual([]);
    for (const file of readdirSync(mayfly.dataDirectory, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const text = readFileSync(join(file.parentPath, file.name), 'latin1');
      for (const secret of secrets) expect(text.includes(secret), file.name).toBe(false);
    }
  });

  it('R-AUD-1 has forged no line, and nothing that a terminal would obey', () => {
    const lines = written.split('\n').filter((line) => line !== '');
    expect(lines.filter((line) => /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(line))).toEqual([]);
    const logged = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as object);
    expect(logged.length).toBeGreaterThan(20);
    expect(logged.filter((line) => 'msg' in line && line.msg === 'FORGED')).toEqual([]);
    // The path that was asked for is there, as text.
    expect(written).toContain('/FORGED/');
  });

  it('R-AUD-1 has not been believed: who is asking is told by the kernel, and each refusal by its reason alone', async () => {
    const refusals = (await mayfly.operator.records({ kind: 'attestation.refused' })).map(({ json }) => json);
    expect(refusals.length).toBeGreaterThan(0);
    for (const json of refusals) {
      for (const reason of Object.keys(JSON.parse(json).reasons)) expect(reason).toMatch(/^[a-z-]+$/);
    }
  });
});
