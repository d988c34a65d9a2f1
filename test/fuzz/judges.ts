/** Strangers who are asked the same as we are. */
export async function judges(_print: (line: string) => void): Promise<number> {
  return 0;
}
