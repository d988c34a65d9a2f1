/** How soon an operator's word is a workload's: from the request to what arrives on a stream that was open before. */
import { type Mayfly, pause, startMayfly } from '../../integration/fixture.ts';
import { nowMs } from '../process-stat.ts';
import { costing, share } from '../rates.ts';
import type { References } from '../references.ts';
import type { Row } from '../row.ts';
import { holdStreams, type Streams } from '../streams.ts';
import { type Measure, own } from './measure.ts';

const rounds = 200;
/** Messages to one caller are 20 ms apart at least: an operator's next order comes later than that. */
const apartMs = 30;

export const push: Measure = {
  title: 'changes to open streams',
  run: async (references) => {
    await using mayfly = await startMayfly();
    await mayfly.operator.addPerson('grace');
    const stories = [
      ['entry created → SVID on a stream already held', '9,100; tuned 1,600', created],
      ['entry deleted → stream ended', undefined, deleted],
      ['owner disabled → stream ended', undefined, disabled],
    ] as const;
    const rows: Row[] = [];
    for (const [measure, spire, story] of stories) {
      const { result, ...cost } = await costing(mayfly.pid, () => story(mayfly));
      rows.push(...latencyRows(measure, result, spire, references).map((row) => ({ ...row, ...cost })));
    }
    return rows;
  },
};

function latencyRows(measure: string, times: readonly number[], spire: string | undefined, { fsyncMs }: References) {
  // A change is in the ledger, then in the database, before anybody hears of it.
  const reference = { what: 'two fsyncs', value: 2 * fsyncMs };
  return [
    { measure: `${measure}, p50`, value: share(times, 0.5), unit: 'ms', reference },
    { measure: `${measure}, p99`, value: share(times, 0.99), unit: 'ms', goal: { atMost: 50 }, spire, reference },
  ] satisfies Row[];
}

async function created({ operator, socket }: Mayfly): Promise<number[]> {
  const base = await operator.create({ spiffeId: 'spiffe://example.org/held', selectors: own() });
  using stream = await holdStreams(socket, 1);
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const draft = { spiffeId: `spiffe://example.org/push-${round}`, selectors: own() };
    const [ms, entry] = await timed(
      stream,
      ({ svids }) => svids === 2,
      () => operator.create(draft),
    );
    times.push(ms);
    await timed(
      stream,
      ({ svids }) => svids === 1,
      () => operator.remove(entry),
    );
  }
  await operator.remove(base);
  return times;
}

async function deleted({ operator, socket }: Mayfly): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const entry = await operator.create({ spiffeId: 'spiffe://example.org/short', selectors: own() });
    using stream = await holdStreams(socket, 1);
    times.push((await timed(stream, hasEnded, () => operator.remove(entry)))[0]);
  }
  return times;
}

async function disabled({ operator, socket }: Mayfly): Promise<number[]> {
  const times: number[] = [];
  await operator.create({ spiffeId: 'spiffe://example.org/owned', selectors: own(), owner: 'grace' });
  for (let round = 0; round < rounds; round++) {
    using stream = await holdStreams(socket, 1);
    times.push((await timed(stream, hasEnded, () => operator.setPersonEnabled('grace', false)))[0]);
    await operator.setPersonEnabled('grace', true);
  }
  return times;
}

const hasEnded = ({ ended }: { readonly ended?: string }): boolean => ended === 'PermissionDenied';

async function timed<T>(
  stream: Streams,
  matches: Parameters<Streams['collect']>[2],
  order: () => Promise<T>,
): Promise<[number, T]> {
  await pause(apartMs);
  const arrival = stream.collect('the change on the stream', 1, matches);
  const start = nowMs();
  const [answer, events] = await Promise.all([order(), arrival]);
  return [(events[0]?.at ?? Number.NaN) - start, answer];
}
