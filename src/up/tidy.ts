/**
 * After a storm of calls the memory that it took is given back: V8 and libc would keep it for the next one, which may never
 * come. The measured reason is in docs/decisions/0010-what-comes-and-goes.md.
 */
import type { Clock } from '../runtime/clock.ts';
import type { ProcessMemory } from '../runtime/memory.ts';

const lookMs = 5_000;
/** Below this share of its time the process is calm; a collection delays few then. */
const calmShare = 0.3;
/** Calm for so many looks in a row, the storm is over. */
const calmLooks = 2;
/** Less than this above what was resident before is not worth a pause; twice as much after each that gave back little. */
const worthBytes = 24 * 1024 * 1024;
/** What was in use is looked for once more after so many looks, and then after twice as many each time. */
const secondThoughtLooks = 6;

export function tidyAfterStorms(clock: Clock, memory: ProcessMemory): Disposable {
  let looks = 0;
  let calm = 0;
  let usual = memory.resident();
  let worth = worthBytes;
  /** What was resident when all that could be given back had been. */
  let floor = usual;
  let wait = secondThoughtLooks;
  let again = Infinity;
  let timer: Disposable;

  /** @returns whether the memory is in use, for now: little came back of what there is above `level` */
  const inUse = (level: number): boolean => {
    const above = memory.resident() - level;
    memory.collect();
    const used = memory.resident() - level > above / 2;
    if (!used) floor = memory.resident();
    again = used ? looks + wait : Infinity;
    wait = used ? wait * 2 : secondThoughtLooks;
    return used;
  };

  const look = (): void => {
    timer = clock.after(lookMs, look);
    looks += 1;
    calm = memory.busy() < calmShare ? calm + 1 : 0;
    memory.trim();
    if (calm < calmLooks) return;
    const resident = memory.resident();
    if (resident > usual + worth) worth = inUse(usual) ? worth * 2 : worthBytes;
    else if (looks >= again && resident > floor + worthBytes) inUse(floor);
    usual = memory.resident();
  };
  timer = clock.after(lookMs, look);
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}
