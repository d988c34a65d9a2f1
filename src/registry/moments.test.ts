import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Moments } from './moments.ts';

it('knows the next moment after any other, whatever was added and removed in whatever order', () => {
  const moment = fc.integer({ min: 0, max: 50 });
  const steps = fc.array(
    fc.oneof(
      fc.record({ add: fc.array(moment, { maxLength: 100 }) }),
      fc.record({ remove: moment }),
      fc.record({ ask: moment }),
    ),
  );
  fc.assert(
    fc.property(steps, (all) => {
      const moments = new Moments();
      let naive: number[] = [];
      for (const step of all) {
        if ('add' in step) {
          moments.add(step.add);
          naive.push(...step.add);
        } else if ('remove' in step) {
          moments.remove(step.remove);
          const at = naive.indexOf(step.remove);
          naive = naive.filter((_, index) => index !== at);
        } else {
          const later = naive.filter((each) => each > step.ask);
          expect(moments.next(step.ask)).toBe(later.length === 0 ? undefined : Math.min(...later));
        }
      }
    }),
  );
});
