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
  /** Lives in milliseconds where the entry does not say. */
  readonly life: { readonly x509: number; readonly jwt: number };
  /** The data directory of the issuer, which has ended. */
  readonly data: string;
  readonly archive: string;
  /** Where the issuer ran. */
  readonly droppings: string;
}

export function gather(directory: string, disk: string): Evidence {
  return {
    history: lines(join(directory, 'history.ndjson')) as Event[],
    captures: readdirSync(join(directory, 'captures')).flatMap(
      (name) => lines(join(directory, 'captures', name)) as Capture[],
    ),
    life: { x509: 1000 * setting(directory, 'x509_svid_ttl'), jwt: 1000 * setting(directory, 'jwt_svid_ttl') },
    log: readFileSync(join(directory, 'log.ndjson'), 'utf8'),
    data: join(disk, 'data'),
    archive: join(disk, 'archive'),
    droppings: join(directory, 'cwd'),
  };
}

const setting = (directory: string, name: string): number =>
  Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(readFileSync(join(directory, 'settings.yaml'), 'utf8'))?.[1]);

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

export interface Ahead {
  readonly least: number;
  readonly most: number;
}

/** How far the issuer's clock was ahead at a real moment. Around the moment in which it was set, both may be true. */
export function aheadAt(history: readonly Event[]): (at: number) => Ahead {
  const changes = history.filter((event) => event.t === 'start' || event.t === 'clock');
  return (at) => {
    const before = changes.findLast((event) => event.at <= at - settlingMs)?.aheadMs;
    const around = changes
      .filter((event) => event.at > at - settlingMs && event.at <= at)
      .map(({ aheadMs }) => aheadMs);
    const possible = [...around, before ?? around[0] ?? 0];
    return { least: Math.min(...possible), most: Math.max(...possible) };
  };
}

/** Was it stopped until just before? What was on its way to somebody then is read only now. */
export function resumedBefore(history: readonly Event[]): (at: number) => boolean {
  const resumed = history.filter(({ t }) => t === 'resumed');
  return (at) => resumed.some((event) => event.at <= at && at <= event.at + settlingMs);
}

/** How long the issuer and its workloads, all in all, could have run and did not between two moments. */
export function waitedIn(history: readonly Event[]): (from: number, to: number) => number {
  const samples = history.filter((event) => event.t === 'waited');
  const before = (at: number): number => samples.findLast((sample) => sample.at <= at)?.ms ?? 0;
  const after = (at: number): number => samples.find((sample) => sample.at >= at)?.ms ?? samples.at(-1)?.ms ?? 0;
  return (from, to) => (to < Infinity ? after(to) - before(from) : 0);
}

/** What was sent before it may be read after it. */
const settlingMs = 3_000;
