/** I4: a second after it was acknowledged that an entry is gone, or its owner disabled, nobody is given it any more. */
import { type Event, type Evidence, waitedIn } from './files.ts';
import type { Findings } from './report.ts';

interface Withdrawal {
  readonly spiffeId: string;
  readonly from: number;
  readonly until: number;
}

const boundMs = 1_000;

export function checkWithdrawn({ history, captures }: Evidence, findings: Findings): void {
  const taken = withdrawals(history);
  const waited = waitedIn(history);
  findings.count('withdrawals', taken.length);
  const byId = Map.groupBy(taken, ({ spiffeId }) => spiffeId);
  for (const capture of captures) {
    const given = capture.kind === 'x509' ? capture.svids : capture.kind === 'jwt' ? capture.tokens : [];
    for (const { id } of given) {
      const late = byId.get(id)?.find(({ from, until }) => {
        const isLate = capture.at > from + boundMs && capture.at < until;
        return isLate && capture.at - from - waited(from, capture.at) > boundMs;
      });
      const ms = capture.at - (late?.from ?? 0);
      findings.must(
        late === undefined,
        'I4',
        () => `${id} was given ${ms} ms after it was acknowledged that it is gone`,
      );
    }
  }
}

type Asked = Extract<Event, { t: 'ask' }>;

function withdrawals(history: readonly Event[]): readonly Withdrawal[] {
  const found: Withdrawal[] = [];
  const entries = new Map<string, { readonly spiffeId: string; readonly owner: string }>();
  const asked = new Map<number, Asked>();
  let disabledAt: number | undefined;
  const ofOwner = (owner: string) => [...entries.values()].filter((entry) => entry.owner === owner);
  for (const event of history) {
    if (event.t === 'ask') {
      asked.set(event.op, event);
      if (event.do !== 'set-person' || !event.enabled || disabledAt === undefined) continue;
      // From the moment of asking it may be back.
      for (const { spiffeId } of ofOwner(event.person)) found.push({ spiffeId, from: disabledAt, until: event.at });
      disabledAt = undefined;
    }
    if (event.t === 'state') for (const entry of event.entries) entries.set(entry.id, entry);
    if (event.t !== 'done') continue;
    if (event.entry !== undefined) entries.set(event.entry.id, event.entry);
    const order = asked.get(event.op);
    const spiffeId = order?.do === 'delete-entry' ? entries.get(order.id)?.spiffeId : undefined;
    if (spiffeId !== undefined) found.push({ spiffeId, from: event.at, until: Infinity });
    if (order?.do === 'set-person' && !order.enabled) disabledAt = event.at;
  }
  return found;
}
