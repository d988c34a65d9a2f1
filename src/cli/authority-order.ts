import { Argument, type Command } from 'commander';
import { IdentityError } from '../errors.ts';
import type { OrderAuthorityOutcome, OrderAuthorityProgress } from '../gen/mayfly/admin/v1/admin.ts';
import { terminal } from '../runtime/terminal.ts';
import type { Admin } from './admin.ts';
import { adminLeaf } from './admin-leaf.ts';
import { type OrderDocument, orderDocument } from './documents.ts';
import { CommandError } from './failure.ts';
import * as shapes from './shapes.ts';
import { rotation } from './shapes-oidc.ts';
import { facts, moment, plural } from './text.ts';

interface Options {
  readonly id?: string;
  readonly dryRun?: boolean;
  readonly forceActive?: boolean;
  readonly forceUnpublished?: boolean;
  readonly forceUnexpired?: boolean;
}

const verbs = {
  prepare: 'make and publish the authority that will follow',
  activate: 'let a prepared authority sign from now on',
  taint: 'sign anew, at once, everything that an authority signed',
  revoke: 'take an authority out of the bundle: what it signed is believed no more',
} as const;

export function orderCommands(authority: Command): void {
  for (const [verb, does] of Object.entries(verbs)) order(authority.command(verb), verb, does);
  rotate(authority.command('rotate'));
}

const kind = (): Argument => new Argument('<kind>', 'which keys').choices(['x509', 'jwt', 'jwt-rsa']);

function order(command: Command, verb: string, does: string): void {
  command.addArgument(kind());
  if (verb !== 'prepare')
    command.option('--id <id>', 'which one, by the beginning of its id (default: the only one that it can mean)');
  command.option('--dry-run', 'say what would be done, which promises it would break, and who is affected');
  if (verb === 'taint' || verb === 'revoke') {
    command.option('--force-active', 'even the one that signs now: another takes its place first');
  }
  if (verb !== 'prepare')
    command.option('--force-unpublished', 'although whoever polls the bundle may not know the new one');
  if (verb === 'revoke') command.option('--force-unexpired', 'although what it signed has not expired');
  adminLeaf<[kind: string], Options>(command, {
    does,
    prints: shapes.order,
    examples: [`mayfly authority ${verb} x509${verb === 'prepare' ? '' : ' --dry-run'}`],
    ask: async (admin, [kind], options) => {
      const { id = '', dryRun = false } = options;
      const request = { verb, kind, id, dryRun, force: forced(options) };
      const document = orderDocument(await followed(admin.follow(admin.client.orderAuthority, request)), dryRun);
      return { document, text: told(document) };
    },
  });
}

function rotate(command: Command): void {
  command.addArgument(kind());
  command.option('--force-unpublished', 'do not wait until whoever polls the bundle can know the new one');
  command.option(
    '--emergency',
    'token keys: drop every one that exists, of both algorithms, and sign with new ones now',
  );
  command.option('--dry-run', 'with --emergency: say what would be done, and who would still accept what');
  adminLeaf<[kind: string], Options & { emergency?: boolean }>(command, {
    does: 'replace the authority that signs: prepare, wait until published everywhere, activate',
    about:
      'With --emergency nothing is waited for: what the keys that are gone have signed is refused by whoever asks us, ' +
      'and what each kind of relying party still accepts, and until when, is printed.',
    prints: rotation,
    examples: ['mayfly authority rotate jwt', 'mayfly authority rotate jwt --emergency --dry-run'],
    ask: async (admin, [kind], options) => {
      if (options.emergency === true) return inEmergency(admin, kind, options.dryRun ?? false);
      if (options.dryRun === true) throw onlyInEmergency();
      const request = { kind, force: forced(options) };
      const order = orderDocument(await followed(admin.follow(admin.client.rotateAuthority, request)), false);
      return { document: { ...order, relyingParties: [] }, text: told(order) };
    },
  });
}

async function inEmergency(admin: Admin, kind: string, dryRun: boolean) {
  const { emergency, memoryTable } = await import('./authority-emergency.ts');
  const document = await emergency(admin, { kind, dryRun }, (request) =>
    followed(admin.follow(admin.client.orderAuthority, request)),
  );
  return { document, text: `${told(document)}${memoryTable(document)}` };
}

const onlyInEmergency = (): CommandError =>
  new CommandError(
    'invalid-argument',
    '--dry-run goes with --emergency',
    'What a rotation does is in `mayfly authority timeline`.',
  );

const forced = ({ forceActive, forceUnpublished, forceUnexpired }: Options): string[] => [
  ...(forceActive ? ['active'] : []),
  ...(forceUnpublished ? ['unpublished'] : []),
  ...(forceUnexpired ? ['unexpired'] : []),
];

/** Says what is waited for, on a terminal as it changes, elsewhere line by line; gives the outcome. */
async function followed(answers: AsyncIterable<OrderAuthorityProgress>): Promise<OrderAuthorityOutcome> {
  let outcome: OrderAuthorityOutcome | undefined;
  try {
    for await (const progress of answers) {
      if (progress.waitingFor !== '') terminal.progress(`waiting for ${progress.waitingFor}`);
      outcome = progress.outcome ?? outcome;
    }
  } finally {
    terminal.progress('');
  }
  if (outcome === undefined) throw new IdentityError('unavailable', 'the issuer ended before it was done; order again');
  return outcome;
}

function told({ dryRun, steps, needs, use }: OrderDocument): string {
  const done = steps.map(({ verb, authority }) => `${verb} ${authority ?? 'a new one'}`);
  const nothing = 'Everything is as ordered already.\n';
  return [
    steps.length === 0 ? nothing : `${dryRun ? 'Would be done' : 'Done'}: ${done.join(', ')}.\n`,
    facts([
      [
        'signed by it',
        `${plural(use.credentials, 'credential')} that ${use.credentials === 1 ? 'has' : 'have'} not expired`,
      ],
      ['held by', plural(use.streams, 'open stream')],
      ['valid until', moment(use.until)],
      ['identities', use.spiffeIds.join(' ')],
    ]),
    ...(dryRun ? needs.map(({ force, because }) => `needs --force-${force}: ${because}\n`) : []),
  ].join('');
}
