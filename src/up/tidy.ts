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

export function tidyAfterStorms(clock: Clock, memory: ProcessMemory): Disposable {
  let calm = 0;
  let usual = memory.resident();
  let worth = worthBytes;
  let timer: Disposable;

  /** A pause that gave back little says that the memory is in use, and that more of the same would be as well. */
  const collect = (): void => {
    const above = memory.resident() - usual;
    memory.collect();
    worth = memory.resident() - usual > above / 2 ? worth * 2 : worthBytes;
  };

  const look = (): void => {
    timer = clock.after(lookMs, look);
    calm = memory.busy() < calmShare ? calm + 1 : 0;
    memory.trim();
    if (calm < calmLooks) return;
    if (memory.resident() > usual + worth) collect();
    usual = memory.resident();
  };
  timer = clock.after(lookMs, look);
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}
