/** The files that the checker reads, and nothing of what mayfly thinks of them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Capture } from '../captures.ts';
import type { Dated, HistoryEvent } from '../history.ts';

export type Event = Dated<HistoryEvent>;

export interface Evidence {
  readonly history: readonly Event[];
  /** In the order in which each workload was given them. */
  readonly captures: readonly Capture[];
  readonly log: string;
  /** The data directory of the issuer, which has ended. */
  readonly data: string;
  readonly archive: string;
}

export function gather(directory: string, disk: string): Evidence {
  return {
    history: lines(join(directory, 'history.ndjson')) as Event[],
    captures: readdirSync(join(directory, 'captures')).flatMap(
      (name) => lines(join(directory, 'captures', name)) as Capture[],
    ),
    log: readFileSync(join(directory, 'log.ndjson'), 'utf8'),
    data: join(disk, 'data'),
    archive: join(disk, 'archive'),
  };
}

/** A last line that broke off was written by somebody who was ended. */
function lines(path: string): unknown[] {
  if (!existsSync(path)) return [];
  const text = readFileSync(path, 'utf8');
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

/** How far the issuer's clock was ahead at a real moment; around the moment in which it was set, the lesser. */
export function aheadAt(history: readonly Event[]): (at: number) => number {
  const changes = history.filter((event) => event.t === 'start' || event.t === 'clock');
  return (at) => {
    const before = changes.findLast((event) => event.at <= at - settlingMs)?.aheadMs;
    const around = changes
      .filter((event) => event.at > at - settlingMs && event.at <= at)
      .map(({ aheadMs }) => aheadMs);
    return Math.min(...around, before ?? around[0] ?? 0);
  };
}

/** What was sent before it may be read after it. */
const settlingMs = 1_500;
