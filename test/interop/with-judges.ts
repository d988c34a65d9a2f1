import { judgements } from '../fuzz/judges.ts';
import { check, holds, print } from './checks.ts';

/** A part of what `make fuzz` asks, the same each time. */
const amounts = { ids: 100_000, broken: 2_000, seed: 1 };

/** Other people's verifiers about the same signatures, IDs, chains, tokens and bundles as ours. */
export async function verdicts(): Promise<void> {
  for (const { title, judge } of judgements(amounts)) {
    await check(title, async () => {
      const said: string[] = [];
      const failures = (await judge((line) => void said.push(line))).flatMap((row) => row.failures);
      for (const line of said.filter((one) => / compared; | judgements on /.test(one))) print(`        ${line}`);
      holds(failures.slice(0, 3).join('; ') || 'nothing', failures.length === 0);
    });
  }
}
