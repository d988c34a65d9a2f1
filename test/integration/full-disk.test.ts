/** The disk under the data directory is full: nothing new is granted, what was granted is served, and nothing is lost. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { first, type Mayfly, newDirectory, startMayfly, until } from './fixture.ts';
import { decodeX509SvidResponse, encodeJwtSvidRequest } from './wire.ts';
import { type Answer, granted, grpc, type Stream, type Workload } from './workload.ts';

const resourceExhausted = 8;
const id = (name: string): string => `spiffe://example.org/${name}`;
const directory = newDirectory();
const disk = join(directory, 'data');
const filler = join(disk, 'filler');
let port: number;

let mayfly: Mayfly;
/** Holds an X.509-SVID on an open stream, and a token for `held`. */
let holder: Workload;
let stream: Stream;
let svid: Buffer;
let token: string;

const ask = (workload: Workload, audience: string): Promise<Answer> =>
  workload.call('FetchJWTSVID', { request: encodeJwtSvidRequest([audience]) });
const svidIn = (message: Buffer): Buffer => decodeX509SvidResponse(message).svids[0]?.x509Svid ?? Buffer.alloc(0);

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const readiness = async (): Promise<{ readonly ready: boolean; readonly problems: readonly string[] }> =>
  (await fetch(`http://127.0.0.1:${port}/readyz`)).json() as never;

/** To the last block. */
function fill(): void {
  const file = openSync(filler, 'a');
  try {
    for (;;) writeSync(file, Buffer.alloc(4096));
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' });
  } finally {
    closeSync(file);
  }
}

/** To the last byte that fits into the ledger's own last block, be it the short record of an operator's question. */
async function firstRefusal(): Promise<Answer> {
  for (let count = 0; ; count++) {
    const answer = await ask(holder, `filling-${count}`);
    if (answer.code === grpc.ok) continue;
    while (await isAnswered(mayfly.operator.status()));
    return answer;
  }
}

const isAnswered = (call: Promise<unknown>): Promise<boolean> =>
  call.then(
    () => true,
    () => false,
  );

beforeAll(async () => {
  mkdirSync(disk, { mode: 0o700 });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'mayfly-test', disk]);
  port = await freePort();
  mayfly = await startMayfly({ directory, flags: ['--http', `127.0.0.1:${port}`] });
  await mayfly.operator.addPerson('ada');
  await mayfly.operator.create({ spiffeId: id('web'), selectors: ['unix:uid:10001'], audiences: ['*'] });
  holder = await mayfly.workload(10001);
  stream = holder.open('FetchX509SVID');
  svid = svidIn(await stream.next());
  token = (await holder.jwt(['held']))[0]?.svid ?? '';
});
afterAll(async () => {
  await mayfly?.stop();
  execFileSync('umount', ['-l', disk]);
  await mayfly?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

describe('while the disk is full', () => {
  let refused: Answer;
  let newcomer: Workload;
  beforeAll(async () => {
    newcomer = await mayfly.workload(10001);
    fill();
    refused = await firstRefusal();
  });

  it('SE-24 R-AUD-1 nothing new is granted, because it could not be put on record', async () => {
    expect(refused.code).toBe(resourceExhausted);
    for (const method of ['FetchX509SVID', 'FetchX509Bundles', 'FetchJWTBundles'] as const) {
      expect(await newcomer.call(method), method).toMatchObject({ code: resourceExhausted, messages: [] });
    }
    expect(await ask(newcomer, 'held')).toMatchObject({ code: resourceExhausted, messages: [] });
  });

  it('SE-11 workloads learn that they may come back, and nothing of our disk', async () => {
    expect(refused.text).toBe('the issuer cannot grant anything new now: try again later');
  });

  it('what is valid is served on: the SVID, the bundles, the token, and its validation', async () => {
    expect(svidIn(granted(await holder.call('FetchX509SVID')))).toEqual(svid);
    expect((await holder.x509Bundles()).bundles.size).toBe(1);
    expect((await holder.jwt(['held']))[0]?.svid).toBe(token);
    expect((await holder.validate('held', token)).code).toBe(grpc.ok);
    expect((await newcomer.validate('held', token)).code).toBe(grpc.ok);
  });

  it('I13 whoever watches hears that it is not ready, and why', async () => {
    const { ready, problems } = await readiness();
    expect(ready).toBe(false);
    expect(problems).toContainEqual(expect.stringContaining('the disk is full: free space'));
  });

  it('who is owed nothing is told no more than ever', async () => {
    const stranger = await mayfly.workload(10009);
    expect(await stranger.call('FetchX509SVID')).toMatchObject({ code: grpc.permissionDenied });
  });

  it('an operator is told which disk, in every answer and in the log, and changes nothing', async () => {
    const create = mayfly.operator.create({ spiffeId: id('late'), selectors: ['unix:uid:10002'] });
    const told = { code: resourceExhausted, details: expect.stringMatching(/\/data\/.*the disk is full: free space/) };
    await expect(create).rejects.toMatchObject(told);
    await expect(mayfly.operator.status()).rejects.toMatchObject(told);
    expect(mayfly.output).toMatch(/\/data\/ledger\/000001\.ndjson: the disk is full/);
  });
});

describe('when there is space again', () => {
  beforeAll(() => rmSync(filler));

  it('I13 it is ready within ten seconds, although nobody asks for anything, and says how long it was not', async () => {
    await until('it is ready', async () => (await readiness()).ready, 10_000);
    const records = await mayfly.operator.records({ kind: 'ledger.resumed' });
    expect(JSON.parse(first(records).json)).toMatchObject({ since: expect.any(Number), refused: expect.any(Number) });
  });

  it('SE-15 everything goes on by itself, with nothing lost, and the ledger verifies', async () => {
    const newcomer = await mayfly.workload(10001);
    expect((await newcomer.call('FetchX509SVID')).code).toBe(grpc.ok);
    expect((await ask(holder, 'at last')).code).toBe(grpc.ok);
    expect(await mayfly.operator.entries()).toMatchObject([{ spiffeId: id('web') }]);
    await mayfly.operator.create({ spiffeId: id('late'), selectors: ['unix:uid:10001'] });
    await until('the stream that was open all the time has both', () => {
      const message = stream.newest();
      return message !== undefined && decodeX509SvidResponse(message).svids.length === 2;
    });
    expect(await mayfly.operator.verifyLedger()).toMatchObject({ ok: true, problem: '' });
    expect(await mayfly.operator.records({ kind: 'ledger.recovered' })).toEqual([]);
  });

  it('SE-15 a start on a full disk is refused in one sentence, and works when there is space', async () => {
    fill();
    await firstRefusal();
    await mayfly.stop('SIGKILL');
    const sentence = /ended with [1-9]\d* before it was ready:\nerror: [^\n]*the disk is full[^\n]*\n {2}[^\n]+\n$/;
    expect(await whyNoStart()).toMatch(sentence);
    rmSync(filler);
    mayfly = await startMayfly({ directory });
    expect(await mayfly.operator.entries()).toHaveLength(2);
    expect(await mayfly.operator.verifyLedger()).toMatchObject({ ok: true, problem: '' });
  });

  /** The record of a start is short: one or two may still fit into the ledger's last block. */
  async function whyNoStart(): Promise<string> {
    for (let tries = 0; tries < 5; tries++) {
      try {
        const started = await startMayfly({ directory, impatient: true });
        await started.ready();
        await started.stop('SIGKILL');
      } catch (error) {
        return error instanceof Error ? error.message : '';
      }
    }
    return 'it started again and again';
  }
});
