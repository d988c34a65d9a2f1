/** Calls that are the same again and again, of one process: refused, served again, signed anew. 64 in flight. */
import { startMayfly } from '../../integration/fixture.ts';
import { goLoad } from '../go-load.ts';
import { h2load } from '../h2load.ts';
import { rateOf, rateRows } from '../rates.ts';
import { type Measure, own } from './measure.ts';

export const calls: Measure = {
  title: 'calls',
  run: async ({ bare, signsPerSecond }) => {
    await using mayfly = await startMayfly();
    const { pid, socket, operator } = mayfly;
    await operator.create({ spiffeId: 'spiffe://example.org/other', selectors: ['unix:uid:4000000000'] });
    const refused = await rateOf(pid, (seconds) => h2load(socket, seconds, (bytes) => bytes === 0));
    await operator.create({ spiffeId: 'spiffe://example.org/bench', selectors: own(), audiences: ['bench-*'] });
    const again = await rateOf(pid, (seconds) => h2load(socket, seconds, (bytes) => bytes > 100));
    const anew = await rateOf(pid, (seconds) => goLoad('calls', socket, { seconds, lanes: 64, flags: ['-fresh'] }));
    const { ok, problem } = await operator.verifyLedger();
    if (!ok) throw new Error(`the ledger does not verify afterwards: ${problem}`);
    const reference = { what: 'bare node:http2', rate: bare.h2loadCalls };
    return [
      ...rateRows('FetchJWTSVID, served again', again, {
        goals: { perCpuSecond: { atLeast: 10_000 }, p99Ms: { atMost: 15 } },
        spire: { perSecond: '4,491', perCpuSecond: '2,815', p99Ms: '28' },
        reference,
      }),
      ...rateRows('FetchJWTSVID, signed and recorded', anew, {
        goals: { perCpuSecond: { atLeast: 4_000 } },
        spire: { perSecond: '2,021 unrecorded', perCpuSecond: '1,141', p99Ms: '60' },
        reference: { what: 'bare node:http2', rate: bare.goCalls },
      }),
      {
        measure: 'FetchJWTSVID, signed and recorded, beside the signature alone',
        value: anew.count / anew.cpuSeconds,
        unit: '/cpu s',
        reference: { what: 'openssl signs', value: signsPerSecond },
      },
      ...rateRows('refusal', refused, {
        goals: { perCpuSecond: { atLeast: 8_000 } },
        spire: { perSecond: '3,603', perCpuSecond: '2,278' },
        reference,
      }),
    ];
  },
};
