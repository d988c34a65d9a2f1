/** Runs checks one after the other, or side by side, and keeps the count. */
let passed = 0;
let failed = 0;

export const print = (line: string): boolean => process.stdout.write(`${line}\n`);

/** One judgement: `judge` returns when all is well, and throws what is wrong. Titles name the rows they prove. */
export async function check(title: string, judge: () => Promise<void> | void): Promise<void> {
  const begun = performance.now();
  try {
    await judge();
    passed++;
    print(`ok      ${title} (${Math.round(performance.now() - begun)} ms)`);
  } catch (error) {
    failed++;
    print(`FAILED  ${title}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Prints the count; the exit code of the run. */
export function conclude(): number {
  print(`interop: ${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

/** Says what differs, in one line. */
export function same(what: string, actual: unknown, expected: unknown): void {
  const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== e) throw new Error(`${what}: ${a}, expected ${e}`);
}

export function holds(what: string, truth: unknown): asserts truth {
  if (!truth) throw new Error(`not so: ${what}`);
}
