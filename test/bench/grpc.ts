/**
 * `node test/bench/grpc.ts`: what three ways to speak gRPC on a Unix socket cost with a fixed answer. The figures in
 * docs/decisions/0003-grpc-on-node-http2.md come from here.
 */
import { withFixedAnswer } from './fixed-answer-process.ts';
import { buildGoLoad, goLoad } from './go-load.ts';
import { type Rate, rateOf, share } from './rates.ts';
import { streamKiB } from './references.ts';
import { printTable } from './table.ts';

const servers = ['grpc-js', 'mayfly', 'node-http2'];
const [rounds, seconds, streams] = [5, 2, 2_000];

async function measure(server: string): Promise<readonly number[]> {
  const perCpuSecond = ({ count, cpuSeconds }: Rate): number => count / cpuSeconds;
  const load = (kind: 'calls' | 'connects', lanes: number) =>
    withFixedAnswer(server, (pid, socket) =>
      rateOf(pid, (seconds) => goLoad(kind, socket, { seconds, lanes }), seconds),
    );
  return [
    perCpuSecond(await load('calls', 64)),
    perCpuSecond(await load('connects', 32)),
    await withFixedAnswer(server, (pid, socket) => streamKiB(pid, socket, streams)),
  ];
}

/** Rounds in turn and their medians: other work on the machine then hits all three alike. */
await buildGoLoad();
const measured = new Map<string, (readonly number[])[]>(servers.map((server) => [server, []]));
for (let round = 0; round < rounds; round++) {
  for (const server of servers) measured.get(server)?.push(await measure(server));
}
printTable(
  ['server', 'calls per CPU s', 'new connections per CPU s', 'KiB per open stream'],
  servers.map((server) => {
    const own = measured.get(server) ?? [];
    return [
      server,
      ...[0, 1, 2].map((at) =>
        share(
          own.map((figures) => figures[at] ?? Number.NaN),
          0.5,
        ).toFixed(at),
      ),
    ];
  }),
);
