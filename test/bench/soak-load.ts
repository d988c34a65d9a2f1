/** Everything at once, each at its pace: calls, refusals, connections, streams, new processes, and an operator at work. */
import { realpathSync } from 'node:fs';
import { type Mayfly, pause } from '../integration/fixture.ts';
import { goLoad } from './go-load.ts';
import { Racers } from './racers.ts';

export interface MixedLoad {
  /** Copies of the load generator: one is owed identities, the other nothing. */
  readonly load: string;
  readonly stranger: string;
  readonly seconds: number;
}

/** Each second, of each kind: each takes about a tenth of a core of the issuer. */
const rates = { again: 1_500, anew: 500, refused: 1_500, connects: 250, streams: 60 };
const changeMs = 200;
const processesEachMs = 1_000;

/** Resolves with how many calls and connections were answered, all of them as they should be. */
export async function mixedLoad(mayfly: Mayfly, { load, stranger, seconds }: MixedLoad): Promise<number> {
  const { operator, socket, directory } = mayfly;
  // Where one kind of load fails, the others do not go on for the rest of the time.
  using failed = new DisposableStack();
  const ending = failed.adopt(new AbortController(), (controller) => controller.abort());
  const selectors = [`unix:path:${load}`];
  const entry = await operator.create({ spiffeId: 'spiffe://example.org/load', selectors, audiences: ['bench-*'] });
  const perl = await operator.create({
    ...{ spiffeId: 'spiffe://example.org/perl', selectors: [`unix:path:${realpathSync('/usr/bin/perl')}`] },
  });
  const go = (kind: 'calls' | 'connects', rate: number, lanes: number, options: Partial<GoMore> = {}) => {
    const { flags = [], ...rest } = options;
    return goLoad(kind, socket, {
      seconds,
      lanes,
      program: load,
      signal: ending.signal,
      ...rest,
      flags: ['-rate', String(rate), ...flags],
    });
  };
  const over = pause(seconds * 1000).then((): true => true);
  const [changes, processes, ...loads] = await Promise.all([
    changeEntries(mayfly, selectors, over),
    newProcesses(await Racers.prepare(socket, directory), over),
    go('calls', rates.again, 16),
    go('calls', rates.anew, 16, { flags: ['-fresh'] }),
    go('calls', rates.refused, 16, { program: stranger, expected: 'PermissionDenied' }),
    go('connects', rates.connects, 8),
    go('connects', rates.streams, 16, { flags: ['-hold', '3s'] }),
  ]);
  for (const one of [entry, perl]) await operator.remove(one);
  return loads.reduce((sum, { count }) => sum + count, changes + processes);
}

type GoMore = Pick<Parameters<typeof goLoad>[2], 'flags' | 'program' | 'expected'>;

/** Entries come and go, and concern the streams that are open then. */
async function changeEntries({ operator }: Mayfly, selectors: string[], over: Promise<true>): Promise<number> {
  let changes = 0;
  while ((await Promise.race([over, pause(changeMs)])) !== true) {
    const entry = await operator.create({ spiffeId: `spiffe://example.org/change-${changes}`, selectors });
    await operator.update(entry, { description: 'changed' });
    await operator.remove(entry);
    changes += 3;
  }
  return changes;
}

/** Some processes that are new each time. */
async function newProcesses(racers: Racers, over: Promise<true>): Promise<number> {
  let answers = 0;
  while ((await Promise.race([over, pause(processesEachMs)])) !== true) {
    const { answered, complaints } = await racers.race(2, 0.02);
    if (complaints.length > 0) throw new Error(`new processes got no SVID: ${complaints.join('; ')}`);
    answers += answered;
  }
  return answers;
}
