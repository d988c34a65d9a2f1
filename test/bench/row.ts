/** One number of the table: what it is, what it should be, and what to hold it against. */
export interface Row {
  readonly measure: string;
  readonly value: number;
  readonly unit: Unit;
  readonly goal?: Goal | undefined;
  /** What SPIRE took on two cores, in the row's unit unless it says otherwise. */
  readonly spire?: string | undefined;
  /** What this machine did without mayfly in the same run, in the row's unit. */
  readonly reference?: Reference | undefined;
  /** Of the serving process, all its threads, while this was measured. */
  readonly cpuSeconds?: number | undefined;
  readonly wallSeconds?: number | undefined;
}

/** `/cpu s`: for each CPU second of the serving process. */
export type Unit = '/s' | '/cpu s' | 'ms' | 's' | 'KiB' | 'MiB' | 'MiB/min' | '%' | '×' | '';

export type Goal = { readonly atLeast: number } | { readonly atMost: number } | { readonly below: number };

export interface Reference {
  readonly what: string;
  readonly value: number;
}

/** Whether the goal is met; undefined where there is none. What could not be measured meets nothing. */
export function met({ goal, value }: Row): boolean | undefined {
  if (goal === undefined) return undefined;
  if ('atLeast' in goal) return value >= goal.atLeast;
  return 'atMost' in goal ? value <= goal.atMost : value < goal.below;
}

export const ratio = ({ value, reference }: Row): number | undefined =>
  reference === undefined ? undefined : value / reference.value;

export const heads: readonly string[] = [
  '',
  'measured',
  'goal',
  '',
  'SPIRE',
  'beside it, same run',
  'ratio',
  'server CPU s',
  'wall s',
];

export function cells(row: Row): string[] {
  const { measure, value, unit, goal, spire, reference, cpuSeconds, wallSeconds } = row;
  return [
    measure,
    `${number(value)} ${unit}`.trim(),
    goal === undefined ? '' : goalText(goal),
    verdicts[String(met(row))] ?? '',
    spire ?? '',
    reference === undefined ? '' : `${reference.what} ${number(reference.value)}`,
    ratio(row)?.toPrecision(2) ?? '',
    cpuSeconds?.toFixed(2) ?? '',
    wallSeconds?.toFixed(2) ?? '',
  ];
}

const verdicts: Readonly<Record<string, string>> = { true: 'met', false: 'NOT MET' };

function goalText(goal: Goal): string {
  if ('atLeast' in goal) return `≥ ${number(goal.atLeast)}`;
  return 'atMost' in goal ? `≤ ${number(goal.atMost)}` : `< ${number(goal.below)}`;
}

/** Three digits that mean something, or whole. */
const number = (value: number): string =>
  value.toLocaleString('en', Math.abs(value) >= 100 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 });
