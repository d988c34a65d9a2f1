import { Argument, type Command } from 'commander';
import { IdentityError } from '../errors.ts';
import type { OrderAuthorityOutcome, OrderAuthorityProgress } from '../gen/mayfly/admin/v1/admin.ts';
import { terminal } from '../runtime/terminal.ts';
import { adminLeaf } from './admin-leaf.ts';
import { type OrderDocument, orderDocument } from './documents.ts';
import * as shapes from './shapes.ts';
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
  adminLeaf<[kind: string], Options>(command, {
    does: 'replace the authority that signs: prepare, wait until published everywhere, activate',
    prints: shapes.order,
    examples: ['mayfly authority rotate jwt'],
    ask: async (admin, [kind], options) => {
      const request = { kind, force: forced(options) };
      const document = orderDocument(await followed(admin.follow(admin.client.rotateAuthority, request)), false);
      return { document, text: told(document) };
    },
  });
}

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
