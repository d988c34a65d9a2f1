/** When a process passes each failpoint, so that a test knows how to make it get there. */
import { type Failpoint, failpoints } from '../../src/runtime/failpoints.ts';

const only = (names: readonly string[]): readonly Failpoint[] =>
  failpoints.filter((point) =>
    names.some((name) => point === name || (name.endsWith('*') && point.startsWith(name.slice(0, -1)))),
  );

/** The first start in an empty directory, and no other. */
export const freshPoints = only(['ledger.create-head', 'registry.created', 'registry.filled', 'registry.placed']);
/** Every start. */
export const startPoints = only([
  'data.*',
  'up.started-recorded',
  'up.rooms-open',
  'up.serving',
  'socket.*',
  'ledger.recover',
  'ledger.mend',
  'ledger.open',
  'registry.inspected',
  'registry.open',
]);
/** A start after a crash that left something behind; and which crash does. */
export const mendPoints: readonly { readonly at: Failpoint; readonly after: Failpoint }[] = [
  { at: 'ledger.mend-dropped', after: 'ledger.segment-created' },
  { at: 'ledger.mend-truncated', after: 'ledger.before-answer' },
  { at: 'ledger.mend-written', after: 'ledger.before-answer' },
];
/** Passed with what no issuer of a run has: a registry of an older format. Its own tests stop at it. */
export const elsewherePoints = only(['registry.migrated']);
/** The clock has to go on for a while, or the process to start when it has. */
export const rotationPoints = only(['authority.*', 'key.*']).filter((point) => !point.startsWith('authority.tainted'));
/** An operator has to taint an authority. */
export const orderPoints = only(['authority.tainted*']);
/** There has to be an issuer above it, or one below. */
export const belowAnother = only(['upstream.*']);
export const aboveAnother = only(['downstream.*']);
/** The end, when it is asked for. */
export const stopPoints = only([
  'up.stopping',
  'up.end-recorded',
  'ledger.closed',
  'registry.closed',
  'agent.instance-ended',
]);
/** Both at a start and while it serves. */
export const filePoints = only(['file.*']);

const others: readonly Failpoint[] = [
  ...freshPoints,
  ...startPoints,
  ...mendPoints.map(({ at }) => at),
  ...rotationPoints,
  ...orderPoints,
  ...belowAnother,
  ...aboveAnother,
  ...stopPoints,
  ...filePoints,
  ...elsewherePoints,
];
/** While it serves. */
export const livePoints = failpoints.filter((point) => !others.includes(point));
