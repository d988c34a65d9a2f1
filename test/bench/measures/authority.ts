/** One process that is owed 1,000 SVIDs while the authority is replaced: how soon all are new, and is any message short? */
import { type Mayfly, startMayfly } from '../../integration/fixture.ts';
import { ledgerMoments } from '../ledger-moments.ts';
import { costing } from '../rates.ts';
import type { Row } from '../row.ts';
import { type StreamEvent, Streams } from '../streams.ts';
import { firstUid, Tenants } from '../tenants.ts';
import { type Measure, own } from './measure.ts';

const identities = 1_000;
/** The one that signs, although nobody knows the next one yet. */
const despiteEverything = ['--force-active', '--force-unpublished'];
const drafts = () =>
  Array.from({ length: identities }, (_, i) => ({ spiffeId: `spiffe://example.org/i/${i}`, selectors: own() }));

export const authority: Measure = {
  title: 'an authority replaced',
  run: async () => [...(await tainted()), ...(await crowd()), ...(await rotated())],
};

interface Listed {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
}

/** By an operator, at once: from the record of that word to the message in which all are signed by another. */
async function tainted(): Promise<Row[]> {
  await using mayfly = await startMayfly();
  await mayfly.operator.createAll(drafts());
  using stream = new Streams(mayfly.socket, '-authorities');
  const told = replaced(stream);
  // Heard of below, unless something else fails before.
  told.catch(() => undefined);
  await stream.hold(1);
  const { result, ...cost } = await costing(mayfly.pid, async () => {
    await taint(mayfly);
    return told;
  });
  const ordered = taintedAt(mayfly);
  return [
    {
      measure: '1,000 SVIDs of one process, authority tainted: from its record to all new',
      ...{ value: (result.at - ordered) / 1000, unit: 's', goal: { atMost: 1 }, spire: '51', ...cost },
    },
    ...messageRows('authority tainted', result.messages),
  ];
}

/** The same with 1,000 processes of as many users: each is owed two SVIDs, by entries that nobody else has. */
async function crowd(): Promise<Row[]> {
  await using mayfly = await startMayfly();
  const each = Array.from({ length: identities }, (_, i) => i);
  const owed = ['one', 'two'].flatMap((name) =>
    each.map((i) => ({ spiffeId: `spiffe://example.org/${name}/${i}`, selectors: [`unix:uid:${firstUid + i}`] })),
  );
  await mayfly.operator.createAll(owed);
  using tenants = await Tenants.hold(mayfly.socket, mayfly.directory, identities);
  const known = new Set(tenants.messages.flatMap(({ authorities }) => authorities));
  const told = tenants.messages.length;
  const { result: last, ...cost } = await costing(mayfly.pid, async () => {
    await taint(mayfly);
    return tenants.all('all of it by another authority', ({ authorities }) => !authorities.some((id) => known.has(id)));
  });
  return [
    {
      measure: '1,000 streams of 1,000 users, two SVIDs each, authority tainted: from its record to all new',
      ...{ value: (last - taintedAt(mayfly)) / 1000, unit: 's', goal: { atMost: 2 }, ...cost },
    },
    {
      measure: '1,000 streams of 1,000 users, authority tainted: messages with one missing',
      value: tenants.messages.filter(({ authorities }) => authorities.length !== 2).length,
      ...{ unit: '', goal: { atMost: 0 } },
    },
    {
      measure: '1,000 streams of 1,000 users, authority tainted: messages to each',
      ...{ value: (tenants.messages.length - told) / identities, unit: '' },
    },
  ];
}

/** The one that signs. */
async function taint(mayfly: Mayfly): Promise<void> {
  const { stdout } = await mayfly.command('authority', 'list', '--json');
  const { authorities } = JSON.parse(stdout) as { readonly authorities: readonly Listed[] };
  const id = authorities.find(({ kind, state }) => kind === 'x509' && state === 'active')?.id ?? '';
  const { status, stderr } = await mayfly.command('authority', 'taint', 'x509', '--id', id, ...despiteEverything);
  if (status !== 0) throw new Error(stderr);
}

const taintedAt = ({ dataDirectory }: Mayfly): number =>
  ledgerMoments(dataDirectory, 'authority.tainted', 'x509').at(-1) ?? Number.NaN;

/** Rotation as planned, at the pace of short lives: each SVID is renewed at half of its life, all within a tenth of it. */
async function rotated(): Promise<Row[]> {
  await using mayfly = await startMayfly({ flags: ['--ca-ttl', '20s', '--x509-ttl', '10s'] });
  await mayfly.operator.createAll(drafts());
  using stream = new Streams(mayfly.socket, '-authorities');
  const told = replaced(stream);
  stream.open(1);
  return messageRows('rotation', (await told).messages);
}

/** Hears until all of a message is signed by an authority that the first one did not know. */
async function replaced(stream: Streams): Promise<{ readonly at: number; readonly messages: readonly StreamEvent[] }> {
  const messages: StreamEvent[] = [];
  let known: readonly string[] | undefined;
  await stream.collect('SVIDs of another authority', 1, (event) => {
    const ids = Object.keys(event.authorities ?? {});
    if (ids.length === 0) return false;
    messages.push(event);
    known ??= ids;
    return !ids.some((id) => known?.includes(id));
  });
  return { at: messages.at(-1)?.at ?? Number.NaN, messages };
}

const messageRows = (how: string, messages: readonly StreamEvent[]): Row[] => [
  {
    measure: `1,000 SVIDs of one process, ${how}: messages with one missing`,
    value: messages.filter(({ svids }) => svids !== identities).length,
    ...{ unit: '', goal: { atMost: 0 }, spire: '33 of 46' },
  },
  { measure: `1,000 SVIDs of one process, ${how}: messages`, value: messages.length, unit: '' },
];
