/** Parsers that are wrong on purpose, so that a search which finds nothing elsewhere can be believed. */

/** Three steps deep: by chance alone found once in sixteen million tries. */
export function crash(input: Buffer): void {
  if (input[0] === 0x50) {
    if (input[1] === 0x4c) {
      if (input[2] === 0x41) throw new RangeError('planted');
    }
  }
}

/** Never comes back. */
export function hang(input: Buffer): void {
  while (input[0] === 0x50);
}

/** Waits for what never comes. */
export async function silence(input: Buffer): Promise<void> {
  if (input[0] === 0x50) await new Promise(() => undefined);
}

/** Takes the process with it. */
export function death(input: Buffer): void {
  if (input[0] === 0x50) process.exit(7);
}

/** Comes back, after more than a second of a core. */
export function slowness(input: Buffer): void {
  const begun = process.cpuUsage();
  const spentMs = (): number => {
    const { user, system } = process.cpuUsage(begun);
    return (user + system) / 1000;
  };
  while (input[0] === 0x50 && spentMs() < 1_500);
}
