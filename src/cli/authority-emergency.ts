/** A token key may be in other hands: none that exists now stays, and new ones sign at once. */
import type { Authority, OrderAuthorityOutcome } from '../gen/mayfly/admin/v1/admin.ts';
import { systemClock } from '../runtime/clock.ts';
import type { Admin } from './admin.ts';
import { type OrderDocument, orderDocument, type RotationDocument } from './documents.ts';
import { CommandError } from './failure.ts';
import { keyMemories } from './relying-parties.ts';
import { moment, table } from './text.ts';

export type Ordered = (request: {
  readonly verb: string;
  readonly kind: string;
  readonly id: string;
  readonly dryRun: boolean;
  readonly force: string[];
}) => Promise<OrderAuthorityOutcome>;

/**
 * Heirs go first, or one of them would take over: who had the disk had them too. Then the one that signs, whose place a
 * brand-new key takes, so that those who look again only at an unknown kid do so. Then those before it.
 */
const order = ['prepared', 'active', 'old', 'tainted'];
const force = ['active', 'unpublished', 'unexpired'];

export async function emergency(
  admin: Admin,
  { kind, dryRun }: { readonly kind: string; readonly dryRun: boolean },
  ordered: Ordered,
): Promise<RotationDocument> {
  if (kind === 'x509') throw notForCertificates();
  const { authorities } = await admin.ask(admin.client.listAuthorities, {});
  const concerned = authorities
    .filter((one) => one.kind === kind || (kind === 'jwt' && one.kind === 'jwt-rsa'))
    .sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  const outcomes: OrderAuthorityOutcome[] = [];
  for (const { kind: own, id } of concerned)
    outcomes.push(await ordered({ verb: 'revoke', kind: own, id, dryRun, force }));
  return documentOf(concerned, outcomes, dryRun, await facts(admin));
}

async function facts(admin: Admin) {
  const bundle = JSON.parse((await admin.ask(admin.client.getBundle, {})).spiffe) as { spiffe_refresh_hint?: number };
  const maxAge = await admin.ask(admin.client.getIssuer, {}).then(
    ({ maxAge: seconds }) => seconds,
    () => 0,
  );
  return { now: systemClock.now(), maxAgeMs: maxAge * 1000, refreshHintMs: (bundle.spiffe_refresh_hint ?? 0) * 1000 };
}

function documentOf(
  concerned: readonly Authority[],
  outcomes: readonly OrderAuthorityOutcome[],
  dryRun: boolean,
  known: Parameters<typeof keyMemories>[0],
): RotationDocument {
  const active = concerned.findIndex(({ state }) => state === 'active');
  const heirs = new Set(concerned.flatMap(({ id, state }) => (state === 'prepared' ? [id] : [])));
  const documents = outcomes.map((outcome) => withoutHeirs(orderDocument(outcome, dryRun), heirs));
  const main = documents[active];
  if (main === undefined) throw new CommandError('unavailable', 'no token key signs now', 'See mayfly authority list.');
  return {
    ...main,
    authority: main.steps.find(({ verb }) => verb === 'activate')?.authority ?? null,
    steps: documents.flatMap(({ steps }) => steps),
    needs: [],
    relyingParties: keyMemories(known).map(({ name, accepts, until }) => ({
      ...{ name, accepts },
      until: until === undefined ? null : new Date(until).toISOString(),
    })),
  };
}

/** In a dry run the heirs are still there, and the plan for the one that signs would have one of them follow. */
function withoutHeirs(document: OrderDocument, heirs: ReadonlySet<string>): OrderDocument {
  const steps = document.steps.flatMap((step) =>
    step.verb === 'activate' && heirs.has(step.authority ?? '')
      ? [
          { verb: 'prepare', authority: null },
          { verb: 'activate', authority: null },
        ]
      : [step],
  );
  return { ...document, steps };
}

export const memoryTable = ({ relyingParties }: RotationDocument): string =>
  relyingParties.length === 0
    ? ''
    : `\nWho still accepts what the keys that are gone have signed, or whoever has them signs:\n\n${table(
        ['RELYING PARTY', 'UNTIL', 'ACCEPTS'],
        relyingParties.map(({ name, accepts, until }) => [name, until === null ? '—' : moment(until), accepts]),
      )}`;

const notForCertificates = (): CommandError =>
  new CommandError(
    'invalid-argument',
    '--emergency is about keys that sign tokens',
    'For X.509: mayfly authority taint x509 --force-active, then revoke.',
  );
