/**
 * `make bench`: what a real `./mayfly up` does on this machine, beside what the machine does by itself. CPU seconds are
 * those of the serving process alone; the load comes from other processes, which share the cores with it.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startMayfly } from '../integration/fixture.ts';
import { measure as measureServer } from './grpc.ts';
import type { IssueRates } from './issue.ts';
import { Loader } from './loader.ts';
import type { Measured } from './measures.ts';
import * as measures from './measures.ts';
import { residentKiB } from './process-stat.ts';
import { Racers } from './racers.ts';
import { opensslSignsPerSecond, syncsPerSecond } from './references.ts';
import { printTable } from './table.ts';

const streams = 2_000;
const processes = 200;
const rounds = 100;

/** An idle server of its own, so that busy ones have not left memory behind that hides new streams. */
async function memory() {
  await using mayfly = await startMayfly();
  await mayfly.operator.create({ spiffeId: 'spiffe://example.org/bench', selectors: measures.own() });
  const racers = await Racers.prepare(mayfly.socket, mayfly.directory);
  const idleKiB = residentKiB(mayfly.pid);
  using load = new Loader();
  await measures.streamMemory(mayfly, load, streams / 10);
  const kibPerStream = await measures.streamMemory(mayfly, load, streams);
  return { idleKiB, kibPerStream, kibPerProcess: await measures.processMemory(mayfly, racers, processes) };
}

async function rates() {
  await using mayfly = await startMayfly();
  const racers = await Racers.prepare(mayfly.socket, mayfly.directory);
  using load = new Loader();
  await mayfly.operator.create({ spiffeId: 'spiffe://example.org/other', selectors: ['unix:uid:4000000000'] });
  const refused = await step('refusals', () => measures.jwt(mayfly, load, false, '7'));
  const draft = { spiffeId: 'spiffe://example.org/bench', selectors: measures.own(), audiences: ['bench-*'] };
  await mayfly.operator.create(draft);
  return {
    refused,
    jwtAgain: await step('tokens served again', () => measures.jwt(mayfly, load, false)),
    jwtSigned: await step('tokens signed', () => measures.jwt(mayfly, load, true)),
    connections: await step('connections', () => measures.connections(mayfly, load)),
    processes: await step('processes', () => measures.processes(mayfly, racers)),
    push: await step('entries to open streams', () => measures.push(mayfly, load, rounds)),
    syncsPerSecond: syncsPerSecond(mayfly.dataDirectory),
    ledger: await step('the ledger', () => mayfly.operator.verifyLedger()),
  };
}

function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  process.stderr.write(`measuring ${name}\n`);
  return work();
}

async function issuing(): Promise<IssueRates> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, 'issue.ts')]);
  return JSON.parse(stdout) as IssueRates;
}

const started = performance.now();
const bare = await step('bare node:http2', () => measureServer('node-http2', 2_000));
const openssl = await step('openssl', opensslSignsPerSecond);
const issue = await step('issuing in process', issuing);
const rate = await rates();
const held = await step('memory', memory);
if (!rate.ledger.ok) throw new Error(`the ledger does not verify afterwards: ${rate.ledger.problem}`);

const whole = (value: number): string => Math.round(value).toLocaleString('en');
const ms = (value: number | undefined): string => (value === undefined ? '' : value.toFixed(1));
const row = (name: string, { perSecond, perCpuSecond, p50Ms, p99Ms }: Measured, reference: string): string[] => [
  name,
  whole(perSecond),
  ms(p50Ms),
  ms(p99Ms),
  whole(perCpuSecond),
  reference,
];
const bareCalls = `bare node:http2 ${whole(bare.callsPerCpuSecond)}`;
const bareConnections = `bare node:http2 ${whole(bare.connectionsPerCpuSecond)}`;
const signs = `openssl signs ${whole(openssl)}`;

printTable(
  ['', 'per second', 'p50 ms', 'p99 ms', 'per CPU second', 'beside it, per CPU second'],
  [
    row('FetchJWTSVID, served again, 64 in flight', rate.jwtAgain, bareCalls),
    row('FetchJWTSVID, signed and recorded, 64 in flight', rate.jwtSigned, `${bareCalls}, ${signs}`),
    row('refusal, 64 in flight', rate.refused, bareCalls),
    row('new connection → first X.509-SVID, 32 racers', rate.connections, bareConnections),
    row('new process → its own X.509-SVID, 32 racers', rate.processes, `${bareConnections}, ${signs}`),
    ['X.509-SVID signed, in process', '', '', '', whole(issue.signPerCpuSecond), signs],
    ['the same with a new key pair', '', '', '', whole(issue.keyAndSignPerCpuSecond), signs],
    [
      'entry created → SVID on an open stream',
      '',
      ms(rate.push.p50Ms),
      ms(rate.push.p99Ms),
      '',
      `one fsync ${(1000 / rate.syncsPerSecond).toFixed(2)} ms; two are waited for`,
    ],
  ],
);
process.stdout.write('\n');
printTable(
  ['', 'KiB', 'beside it'],
  [
    [
      `open stream, ${whole(streams)} of one process`,
      held.kibPerStream.toFixed(1),
      `bare node:http2 ${bare.kibPerStream.toFixed(1)}`,
    ],
    [`process with a stream, ${processes} of them`, held.kibPerProcess.toFixed(1), ''],
    ['mayfly just started', whole(held.idleKiB), ''],
  ],
);

const { complaints } = rate.processes;
if (complaints.length > 0) {
  process.stdout.write(`\n${complaints.length} new processes got no SVID:\n${[...new Set(complaints)].join('\n')}\n`);
  process.exitCode = 1;
}

const results = join(import.meta.dirname, 'results');
mkdirSync(results, { recursive: true });
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, kernel: release(), node: process.version };
const { ledger, ...figures } = rate;
const document = {
  at: new Date().toISOString(),
  machine,
  bare,
  openssl,
  issue,
  ...figures,
  ledgerRecords: ledger.records,
  memory: held,
};
const file = join(results, `${document.at.replaceAll(/[:.]/g, '-')}.json`);
writeFileSync(file, `${JSON.stringify(document, undefined, 2)}\n`);
process.stdout.write(
  `\n${ledger.records.toLocaleString('en')} ledger records, verified. ${machine.cores} cores shared by load and server. ` +
    `${((performance.now() - started) / 1000).toFixed(0)} s. ${file.slice(file.indexOf('test/bench'))}\n`,
);
