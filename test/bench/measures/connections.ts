/** From connect to the first X.509-SVID: of a process that has one already, and of processes that are new themselves. */
import { startMayfly } from '../../integration/fixture.ts';
import { goLoad } from '../go-load.ts';
import { Racers } from '../racers.ts';
import { costing, rateOf, rateRows } from '../rates.ts';
import { type Measure, own } from './measure.ts';

const racers = 32;
const raceSeconds = 4;

export const connections: Measure = {
  title: 'new connections and new processes',
  run: async ({ bare, signsPerSecond }) => {
    await using mayfly = await startMayfly();
    const { pid, socket, directory, operator } = mayfly;
    await operator.create({ spiffeId: 'spiffe://example.org/bench', selectors: own() });
    const connects = await rateOf(pid, (seconds) => goLoad('connects', socket, { seconds, lanes: racers }));
    const processes = await Racers.prepare(socket, directory);
    await processes.race(racers, 1.5);
    const raced = await costing(pid, () => processes.race(racers, raceSeconds));
    const { answered, complaints } = raced.result;
    if (complaints.length > 0) throw new Error(`new processes got no SVID: ${[...new Set(complaints)].join('; ')}`);
    return [
      ...rateRows('new connection → first X.509-SVID, 32 racers', connects, {
        goals: { perCpuSecond: { atLeast: 2_800 }, p99Ms: { atMost: 20 } },
        spire: { perSecond: '2,278', perCpuSecond: '2,075', p99Ms: '27' },
        reference: { what: 'bare node:http2', rate: bare.goConnects },
      }),
      {
        measure: 'new process → its own X.509-SVID, 32 racers',
        value: answered / raced.cpuSeconds,
        unit: '/cpu s',
        reference: { what: 'openssl signs', value: signsPerSecond },
        cpuSeconds: raced.cpuSeconds,
        wallSeconds: raced.wallSeconds,
      },
    ];
  },
};
