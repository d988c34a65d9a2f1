/** What we say and what others say to the same inputs. Whatever only we accept has to be explained (reliability). */

export interface Verdict {
  /** undefined: accepted. */
  readonly ours: string | undefined;
  /** By judge: undefined for accepted, otherwise why not. */
  readonly theirs: Readonly<Record<string, string | undefined>>;
}

export class Comparison {
  readonly what: string;
  total = 0;
  bothAccept = 0;
  bothRefuse = 0;
  /** Accepted by all others: by our reason, how often. */
  readonly weRefuse = new Map<string, number>();
  /** Refused by somebody: by our explanation, how often. */
  readonly explained = new Map<string, number>();
  readonly unexplained: string[] = [];

  constructor(what: string) {
    this.what = what;
  }

  /** `explain` says why it is right that only we accept, if it is. */
  note(name: string, { ours, theirs }: Verdict, explain?: (judge: string, why: string) => string | undefined): void {
    this.total++;
    const refusals = Object.entries(theirs).filter(([, why]) => why !== undefined) as [string, string][];
    if (ours !== undefined) {
      if (refusals.length > 0) this.bothRefuse++;
      else add(this.weRefuse, ours);
      return;
    }
    if (refusals.length === 0) this.bothAccept++;
    for (const [judge, why] of refusals) {
      const explanation = explain?.(judge, why);
      if (explanation === undefined) this.unexplained.push(`${name}: we accept, ${judge} refuses: ${why}`);
      else add(this.explained, explanation);
    }
  }

  lines(): string[] {
    const counts = (map: ReadonlyMap<string, number>): string[] =>
      [...map].sort((a, b) => b[1] - a[1]).map(([why, count]) => `      ${String(count).padStart(7)}  ${why}`);
    const only = [...this.weRefuse.values()].reduce((sum, count) => sum + count, 0);
    return [
      `${this.what}: ${this.total.toLocaleString('en')} compared; both accept ${this.bothAccept.toLocaleString('en')}, ` +
        `both refuse ${this.bothRefuse.toLocaleString('en')}, only we refuse ${only.toLocaleString('en')}, ` +
        `only we accept ${this.unexplained.length} unexplained`,
      ...(this.weRefuse.size === 0 ? [] : ['    only we refuse:', ...counts(this.weRefuse)]),
      ...(this.explained.size === 0 ? [] : ['    only we accept, and why:', ...counts(this.explained)]),
    ];
  }
}

const add = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
