/** Every attack on who is asking, by the name under which it can be asked for. */

import { becoming } from './becoming.ts';
import { descriptors } from './descriptors.ts';
import { execSwap } from './exec-swap.ts';
import { hiddenProc } from './hidden-proc.ts';
import { namespaces } from './namespaces.ts';
import { pidReuse } from './pid-reuse.ts';
import type { Stage } from './stage.ts';
import type { Tallies } from './tally.ts';

export const attacks = {
  'pid-reuse': pidReuse,
  'exec-swap': execSwap,
  descriptors,
  becoming,
  namespaces,
  'hidden-proc': hiddenProc,
} satisfies Record<string, (stage: Stage, rounds: number) => Promise<Tallies>>;
