/** Which faults, how many, on how many issuers. */
import { Chance } from './chance.ts';
import { LossyDisk, smallDisk } from './disk.ts';
import { jumpClock, sleepAndWake, stopAndGo } from './kinds/clock.ts';
import { damage } from './kinds/damage.ts';
import { errors } from './kinds/errors.ts';
import { fillDisk } from './kinds/full.ts';
import { kill, killFirst } from './kinds/kill.ts';
import { nest } from './kinds/nesting.ts';
import { putBack } from './kinds/restored.ts';
import { badSettings } from './kinds/settings.ts';
import { signals } from './kinds/signals.ts';
import { meddle } from './kinds/socket.ts';
import { spy } from './kinds/spying.ts';
import { stalls } from './kinds/stalls.ts';
import { withoutDescriptors, withoutMemory } from './kinds/starve.ts';
import { failSyscalls } from './kinds/syscalls.ts';
import { pullToken } from './kinds/token.ts';
import { withdraw } from './kinds/withdraw.ts';
import type { LaneOptions } from './lane.ts';
import { filePoints, freshPoints, rotationPoints, startPoints } from './points.ts';

export interface Planned extends Omit<LaneOptions, 'root' | 'deadline'> {
  /** What it takes on a quiet machine with two processors. */
  readonly seconds: number;
  /** It mostly waits: beside the others, it costs little. */
  readonly idle?: boolean;
}

export function lanes({ full, seed }: { readonly full: boolean; readonly seed: number }): Planned[] {
  const chance = new Chance(seed);
  const times = full ? 10 : 1;
  const kinds: readonly Kind[] = [
    { kind: 'kill', issuers: 3 * times, seconds: 70, work: kill({ rounds: 1, row: 1 }) },
    ...firstStarts.map((at) => {
      return { kind: firstStart, issuers: times, seconds: 3, work: killFirst(at), deserted: true };
    }),
    {
      kind: 'power cut',
      issuers: 3 * times,
      seconds: 70,
      work: kill({ rounds: 1, row: 3, died: cutPower }),
      disk: lossyDisk,
    },
    { kind: 'error', issuers: 3 * times, seconds: 110, work: errors(2_200) },
    { kind: 'stall', issuers: times, seconds: 80, work: stalls(250) },
    { kind: 'disk full', issuers: times, seconds: 40, work: fillDisk(200), disk: tmpfs },
    { kind: 'damage', issuers: 2 * times, seconds: 80, work: damage(120), deserted: true, lives: longLives },
    { kind: 'old copy', issuers: times, seconds: 50, work: putBack(8), deserted: true },
    { kind: 'system call', issuers: times, seconds: 90, work: failSyscalls(70) },
    { kind: 'signal', issuers: times, seconds: 50, work: signals(50) },
    { kind: 'withdrawal', issuers: times, seconds: 25, work: withdraw(150) },
    { kind: 'nesting', issuers: times, seconds: 15, work: nest(4) },
    { kind: 'descriptors', issuers: times, seconds: 15, work: withoutDescriptors(30) },
    { kind: 'memory', issuers: times, seconds: 30, work: withoutMemory(6) },
    { kind: 'settings', issuers: times, seconds: 30, work: badSettings(2), deserted: true, lives: longLives },
    { kind: 'token', issuers: times, seconds: 60, work: pullToken(8), idle: true },
    { kind: 'spying', issuers: times, seconds: 40, work: spy(1) },
    { kind: 'clock', issuers: times, seconds: 60, work: jumpClock(60), idle: true },
    { kind: 'sleep', issuers: times, seconds: 30, work: sleepAndWake(40), idle: true },
    { kind: 'sleep', issuers: times, seconds: 30, work: sleepAndWake(20), lives: longLives, idle: true },
    { kind: 'socket', issuers: times, seconds: 120, work: meddle(60), idle: true },
    { kind: 'stop and go', issuers: 2 * times, seconds: 45, work: stopAndGo(3), idle: true },
  ];
  const all = kinds.flatMap(({ issuers, ...kind }, index) =>
    Array.from({ length: issuers }, (_, number) => {
      const first = 40_000 + 100 * index + 2 * number;
      return {
        ...kind,
        number: number + (kind.kind === firstStart ? 1 : 0),
        name: `${kind.kind.replaceAll(' ', '-')}-${index}-${number + 1}`,
        seed: chance.below(2 ** 32),
        uids: [first, first + 1],
      };
    }),
  );
  // Where there is not the time for all, each kind has had its turn before any has its second.
  return all.sort((a, b) => a.number - b.number);
}

const firstStart = 'kill at the first start';

interface Kind extends Omit<Planned, 'name' | 'seed' | 'uids'> {
  readonly issuers: number;
}

/** Steps of the very first start, after which a directory is not empty and not complete. */
const firstStarts = [...freshPoints, ...startPoints.slice(0, 4), ...filePoints, ...rotationPoints.slice(0, 8)];

async function lossyDisk(path: string): Promise<LossyDisk> {
  const disk = new LossyDisk(path, `${path}.store`);
  await disk.mount();
  return disk;
}

/** Half of the cuts lose all that was not synced; the others find the disk half way through it. */
const cutPower: NonNullable<Parameters<typeof kill>[0]['died']> = async ({ disk, chance }) => {
  if (!(disk instanceof LossyDisk)) throw new TypeError('not a disk whose power can be cut');
  await disk.cut(chance.below(2) === 0 ? undefined : chance.below(2 ** 31));
  await disk.mount();
};

/** What an operator gets who says nothing. */
const longLives = { ca: 86_400, x509: 3_600, jwt: 300 };

const tmpfs = (path: string) => smallDisk(path, 32 * 1024 * 1024);
