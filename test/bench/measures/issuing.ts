/** X.509-SVIDs made: by one thread alone, and the whole way, each with its key, its record on disk, and its receiver. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startMayfly } from '../../integration/fixture.ts';
import type { IssueRates } from '../issue.ts';
import { costing } from '../rates.ts';
import type { Row } from '../row.ts';
import { Streams } from '../streams.ts';
import { type Measure, own } from './measure.ts';

const identities = 1_000;
const processes = 8;

export const issuing: Measure = {
  title: 'issuance of X.509-SVIDs',
  run: async ({ signsPerSecond }) => {
    const reference = { what: 'openssl signs', value: signsPerSecond };
    const { stdout } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, '../issue.ts')]);
    const { signPerCpuSecond, keyAndSignPerCpuSecond } = JSON.parse(stdout) as IssueRates;
    return [
      {
        measure: 'X.509-SVID: template, signature, self-check of one in 256',
        ...{ value: signPerCpuSecond, unit: '/cpu s', goal: { atLeast: 15_000 }, reference },
      },
      {
        measure: 'X.509-SVID: the same with a new key pair',
        ...{ value: keyAndSignPerCpuSecond, unit: '/cpu s', reference },
      },
      ...(await recorded()).map((row) => ({ ...row, reference })),
    ];
  },
};

/** Several new processes at once, each owed a thousand: what it costs until the last has all of them. */
async function recorded(): Promise<Row[]> {
  await using mayfly = await startMayfly();
  const drafts = Array.from({ length: identities }, (_, i) => ({
    spiffeId: `spiffe://example.org/i/${i}`,
    selectors: own(),
  }));
  await mayfly.operator.createAll(drafts);
  await round(mayfly.socket);
  const before = await issued();
  const { cpuSeconds, wallSeconds } = await costing(mayfly.pid, () => round(mayfly.socket));
  const count = (await issued()) - before;
  const cost = { cpuSeconds, wallSeconds };
  return [
    {
      measure: 'X.509-SVID: new key, signed, recorded, sent',
      ...{ value: count / wallSeconds, unit: '/s', goal: { atLeast: 5_000 }, spire: '2,901 unrecorded', ...cost },
    },
    {
      measure: 'X.509-SVID: new key, signed, recorded, sent',
      ...{ value: count / cpuSeconds, unit: '/cpu s', spire: '1,818', ...cost },
    },
  ];

  /** By the ledger: what has no record was not issued. */
  async function issued(): Promise<number> {
    return (await mayfly.operator.records({ kind: 'x509-svid.issued' })).length;
  }
}

async function round(socket: string): Promise<void> {
  using all = new DisposableStack();
  const callers = Array.from({ length: processes }, () => all.use(new Streams(socket)));
  const answers = callers.map((caller) => caller.collect('a thousand SVIDs', 1, ({ svids }) => svids === identities));
  for (const caller of callers) caller.open(1);
  await Promise.all(answers);
}
