/**
 * The second half of `make bench`: what grows. Many entries, many streams, many identities of one process. Everything
 * is measured at a real `./mayfly up`; the streams are held by this process.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import { join } from 'node:path';
import { launcher, type Mayfly, startMayfly } from '../integration/fixture.ts';
import { frame } from '../integration/raw-http2.ts';
import { callHeaders } from './load.ts';
import { own } from './measures.ts';
import { cpuSeconds, residentKiB } from './process-stat.ts';
import { printTable } from './table.ts';

const entries = 100_000;
const streams = 5_000;
const identities = 1_000;
const idleMs = 10_000;
const rounds = 200;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Opens a connection with one stream; `message` hears each message's length and wall time. Resolves with the first. */
function open(
  socket: string,
  message: (bytes: number, at: number) => void = () => undefined,
): Promise<http2.ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const connection = net.connect(socket);
    // A server that is killed resets what is open; that is the end of the connection and nothing else.
    connection.on('error', () => undefined);
    const session = http2.connect('http://localhost', { createConnection: () => connection });
    session.on('error', reject);
    const stream = session.request(callHeaders('/SpiffeWorkloadAPI/FetchX509SVID'));
    let [wanted, got] = [0, 0];
    stream.on('data', (chunk: Buffer) => {
      if (got === 0) wanted = 5 + chunk.readUInt32BE(1);
      got += chunk.length;
      if (got < wanted) return;
      message(got, Date.now());
      got = 0;
      resolve(session);
    });
    stream.on('error', () => undefined);
    stream.end(frame(Buffer.alloc(0)));
  });
}

async function firstSvidMs(mayfly: Mayfly): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    (await open(mayfly.socket)).destroy();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[rounds >> 1] ?? Number.NaN;
}

async function manyEntries() {
  const directory = await (async () => {
    await using mayfly = await startMayfly();
    await mayfly.operator.create({ spiffeId: 'spiffe://example.org/bench', selectors: own() });
    const few = await firstSvidMs(mayfly);
    const file = join(mayfly.directory, 'entries.ndjson');
    const line = (_: unknown, i: number): string =>
      JSON.stringify({
        spiffeId: `spiffe://example.org/w/${i}`,
        selectors: [`unix:uid:${50_000 + (i % 5_000)}`, `unix:path:/opt/${i}`],
        owner: 'ada',
        audiences: ['aws'],
      });
    writeFileSync(file, `${Array.from({ length: entries }, line).join('\n')}\n`);
    const start = performance.now();
    execFileSync(launcher, ['entry', 'create', '--file', file, '--json', '--admin-socket', mayfly.adminSocket], {
      stdio: ['ignore', 'ignore', 'inherit'],
      maxBuffer: 2 ** 28,
    });
    const loadedSeconds = (performance.now() - start) / 1000;
    process.kill(mayfly.pid, 'SIGKILL');
    await mayfly.exited;
    execFileSync('cp', ['-a', mayfly.dataDirectory, `${mayfly.directory}-kept`]);
    return { few, loadedSeconds, kept: `${mayfly.directory}-kept` };
  })();
  return { ...directory, ...(await restarted(directory.kept)) };
}

async function restarted(kept: string) {
  const empty = await startMayfly({ impatient: true, nobodyYet: true });
  process.kill(empty.pid, 'SIGKILL');
  await empty.exited;
  execFileSync('sh', ['-c', `rm -rf ${empty.dataDirectory} && mv ${kept} ${empty.dataDirectory}`]);
  const start = performance.now();
  await using mayfly = await startMayfly({ directory: empty.directory });
  const startSeconds = (performance.now() - start) / 1000;
  const many = await firstSvidMs(mayfly);
  await sleep(2_000);
  const cpu = cpuSeconds(mayfly.pid);
  await sleep(idleMs);
  const idlePercent = ((cpuSeconds(mayfly.pid) - cpu) / (idleMs / 1000)) * 100;
  return { startSeconds, many, idlePercent, residentMiB: residentKiB(mayfly.pid) / 1024 };
}

async function bundleChange(): Promise<{ ms: number; reached: number }> {
  await using mayfly = await startMayfly({ flags: ['--ca-ttl', '150s', '--x509-ttl', '140s'] });
  await mayfly.operator.create({ spiffeId: 'spiffe://example.org/bench', selectors: own() });
  const first = new Map<number, number>();
  const sizes = new Map<number, number>();
  for (let at = 0; at < streams; at += 50) {
    await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        open(mayfly.socket, (bytes, when) => {
          const size = sizes.get(at + i);
          if (size === undefined) sizes.set(at + i, bytes);
          // One root more is some hundred bytes more: a renewed SVID alone differs by a few.
          else if (bytes > size + 200 && !first.has(at + i)) first.set(at + i, when);
        }),
      ),
    );
  }
  for (let waited = 0; first.size < streams && waited < 100_000; waited += 100) await sleep(100);
  const preparedAt = preparedMoments(mayfly.dataDirectory)[1] ?? Number.NaN;
  return { ms: Math.max(...first.values()) - preparedAt, reached: first.size };
}

/** When X.509 authorities were prepared, from the ledger. */
function preparedMoments(data: string): number[] {
  const lines = readdirSync(join(data, 'ledger'))
    .filter((name) => name.endsWith('.ndjson'))
    .flatMap((name) => readFileSync(join(data, 'ledger', name), 'utf8').split('\n'));
  return lines
    .filter((line) => line.includes('"kind":"authority.prepared"') && line.includes('"use":"x509"'))
    .map((line) => Date.parse((JSON.parse(line) as { at: string }).at));
}

async function manyIdentities(): Promise<{ ms: number; bytes: number }> {
  await using mayfly = await startMayfly();
  const selectors = own();
  await mayfly.operator.createAll(
    Array.from({ length: identities }, (_, i) => ({ spiffeId: `spiffe://example.org/i/${i}`, selectors })),
  );
  const start = performance.now();
  let size = 0;
  const session = await open(mayfly.socket, (bytes) => {
    size = bytes;
  });
  const ms = performance.now() - start;
  session.destroy();
  return { ms, bytes: size };
}

const scale = await manyEntries();
const change = await bundleChange();
const one = await manyIdentities();

printTable(
  ['', 'measured', 'beside it'],
  [
    ['100,000 entries, one call of the command line', `${scale.loadedSeconds.toFixed(1)} s`, ''],
    ['start with them, after kill -9', `${scale.startSeconds.toFixed(1)} s`, ''],
    ['idle with them', `${scale.idlePercent.toFixed(2)} % CPU`, ''],
    ['resident with them', `${scale.residentMiB.toFixed(0)} MiB`, ''],
    ['first SVID on a new connection', `${scale.many.toFixed(2)} ms`, `with one entry ${scale.few.toFixed(2)} ms`],
    [`a new authority, to all of ${change.reached} streams`, `${change.ms} ms`, ''],
    [
      '1,000 SVIDs, signed, recorded and sent to one process',
      `${one.ms.toFixed(0)} ms`,
      `${(one.bytes / 2 ** 20).toFixed(1)} MiB`,
    ],
  ],
);
process.exit(0);
