/** Does a figure grow? A straight line through it, and how sure one can be of its slope. */
export interface Trend {
  /** Per unit of x. */
  readonly slope: number;
  readonly standardError: number;
}

/** Neighbours in time resemble each other, so a single sample says little: the line goes through means of blocks. */
const blocks = 12;

export function trend(points: readonly (readonly [x: number, y: number])[]): Trend {
  const size = Math.max(1, Math.floor(points.length / blocks));
  const count = Math.floor(points.length / size);
  const means = Array.from({ length: count }, (_, block) => {
    const own = points.slice(block * size, (block + 1) * size);
    return [mean(own.map(([x]) => x)), mean(own.map(([, y]) => y))] as const;
  });
  const [x0, y0] = [mean(means.map(([x]) => x)), mean(means.map(([, y]) => y))];
  const spread = sum(means.map(([x]) => (x - x0) ** 2));
  const slope = sum(means.map(([x, y]) => (x - x0) * (y - y0))) / spread;
  const rest = sum(means.map(([x, y]) => (y - y0 - slope * (x - x0)) ** 2));
  return { slope, standardError: Math.sqrt(rest / (count - 2) / spread) };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;
