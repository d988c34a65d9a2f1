import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import type { Audience } from '../gen/mayfly/admin/v1/admin.ts';
import { parseDuration } from '../runtime/duration.ts';
import { storageError } from '../runtime/files.ts';
import { awsSession } from '../spiffe/claims.ts';
import { adminLeaf } from './admin-leaf.ts';
import { CommandError } from './failure.ts';
import { parsed, repeated } from './leaf.ts';
import type { DocumentOf } from './shapes.ts';
import * as shapes from './shapes-oidc.ts';
import { facts, lifetime, table } from './text.ts';

interface Flags {
  readonly audience: readonly string[];
  readonly algorithm?: string;
  readonly ttl?: number;
  readonly singleUse?: boolean;
  readonly derivedTtl?: number;
  readonly claims?: string;
  readonly awsSession?: boolean;
}

type AudienceDocument = DocumentOf<typeof shapes.audience>;

export function define(audience: Command): void {
  list(audience.command('list'));
  show(audience.command('show <name>'));
  set(audience.command('set <name>'));
  remove(audience.command('delete <name>'));
}

function list(command: Command): void {
  adminLeaf(command, {
    does: 'list what tokens for clouds and others outside SPIFFE are like',
    about: 'Presets say what each takes; what you say under the same name comes before them.',
    prints: shapes.audiences,
    ask: async (admin) => {
      const audiences = (await admin.ask(admin.client.listAudiences, {})).audiences.map(audienceDocument);
      return { document: { audiences }, text: audienceTable(audiences) };
    },
  });
}

function show(command: Command): void {
  adminLeaf<[name: string], object>(command, {
    does: 'show what a token for an audience is like',
    prints: shapes.audience,
    examples: ['mayfly audience show azure'],
    ask: async (admin, [name]) => answerWith(await admin.ask(admin.client.getAudience, { name })),
  });
}

function set(command: Command): void {
  command
    .addOption(repeated('--audience <aud>', "a value of aud, exact or ending in '*'; all of them each time"))
    .addOption(
      new Option('--algorithm <name>', 'what its tokens are signed with').choices(['default', 'ES256', 'RS256']),
    )
    .option('--ttl <duration>', "life of its tokens, at most (0: the entry's)", parsed(parseDuration))
    .option('--single-use', 'give each token once: whoever asks again gets another')
    .option('--no-single-use', 'give the same token until half of its life')
    .option(
      '--derived-ttl <duration>',
      'life of what is obtained with one (0: that of the token)',
      parsed(parseDuration),
    )
    .option('--claims <file>', "more claims: JSON whose texts may name facts, as in '{owner}'; - is stdin, '' none")
    .option('--aws-session', 'claims that become session tags and source identity: owner, entry, record');
  adminLeaf<[name: string], Flags>(command, {
    does: 'say what a token for an audience is like; what the options do not name stays',
    about:
      'Claims are filled in from what is registered and attested: {spiffe_id}, {trust_domain}, {path}, {name}, {entry}, ' +
      '{owner}, {uid}, {gid}, {instance} and {jti}. With --aws-session the trust policy of each role must allow ' +
      'sts:TagSession and sts:SetSourceIdentity.',
    prints: shapes.audience,
    examples: [
      'mayfly audience set aws --ttl 15m --aws-session',
      'mayfly audience set reports --audience https://reports.example.org --algorithm RS256 --single-use',
    ],
    ask: async (admin, [name], flags) => {
      const fields = namedFields(flags);
      if (fields.length === 0) throw nothingNamed();
      const audience = await audienceOf(name, flags);
      return answerWith(await admin.ask(admin.client.setAudience, { audience, fields }));
    },
  });
}

function remove(command: Command): void {
  adminLeaf<[name: string], object>(command, {
    does: 'forget what was said of an audience: a preset is as it was, your own is gone',
    prints: shapes.audience,
    ask: async (admin, [name]) => {
      const document = audienceDocument(await admin.ask(admin.client.deleteAudience, { name }));
      const text = document.source === 'own' ? `Deleted ${name}.\n` : `${name} is as its preset says.\n`;
      return { document, text };
    },
  });
}

function namedFields({ audience, algorithm, ttl, singleUse, derivedTtl, claims, awsSession: aws }: Flags): string[] {
  return [
    ...(audience.length === 0 ? [] : ['audiences']),
    ...(algorithm === undefined ? [] : ['algorithm']),
    ...(ttl === undefined ? [] : ['ttl']),
    ...(singleUse === undefined ? [] : ['single_use']),
    ...(derivedTtl === undefined ? [] : ['derived_ttl']),
    ...(claims === undefined && aws !== true ? [] : ['claims']),
  ];
}

const audienceOf = async (name: string, flags: Flags): Promise<Audience> => ({
  name,
  audiences: [...flags.audience],
  algorithm: flags.algorithm === undefined || flags.algorithm === 'default' ? '' : flags.algorithm,
  ttl: flags.ttl ?? 0,
  singleUse: flags.singleUse ?? false,
  derivedTtl: flags.derivedTtl ?? 0,
  claims: await claimsOf(flags),
  source: '',
});

async function claimsOf({ claims, awsSession: aws }: Flags): Promise<string> {
  if (aws === true && claims !== undefined) throw eitherOr();
  if (aws === true) return JSON.stringify(awsSession);
  if (claims === undefined || claims === '') return '';
  const { terminal } = await import('../runtime/terminal.ts');
  if (claims === '-') return terminal.read();
  return readFile(claims, 'utf8').catch((error: unknown) => {
    throw storageError(error, `cannot read the claims in ${claims}`);
  });
}

const answerWith = (audience: Audience) => {
  const document = audienceDocument(audience);
  return { document, text: audienceFacts(document) };
};

const audienceDocument = (audience: Audience): AudienceDocument => ({
  name: audience.name,
  source: audience.source,
  audiences: audience.audiences,
  algorithm: audience.algorithm === '' ? null : audience.algorithm,
  ttl: audience.ttl,
  singleUse: audience.singleUse,
  derivedTtl: audience.derivedTtl,
  claims: audience.claims === '' ? {} : (JSON.parse(audience.claims) as object),
});

const audienceFacts = (audience: AudienceDocument): string =>
  facts([
    ['name', audience.name],
    ['said by', audience.source === 'preset' ? 'the preset' : 'you'],
    ['aud', audience.audiences.join(' ')],
    ['algorithm', audience.algorithm ?? 'the default'],
    ['life', audience.ttl === 0 ? "the entry's" : `at most ${lifetime(audience.ttl)}`],
    ['a token is', audience.singleUse ? 'given once' : 'given again until half of its life'],
    [
      'what is obtained',
      audience.derivedTtl === 0 ? 'lives as long as the token' : `lives ${lifetime(audience.derivedTtl)}`,
    ],
    ['claims', Object.keys(audience.claims).length === 0 ? '' : JSON.stringify(audience.claims)],
  ]);

function audienceTable(audiences: readonly AudienceDocument[]): string {
  const rows = audiences.map((one) => [
    one.name,
    one.source,
    one.algorithm ?? 'default',
    one.ttl === 0 ? 'entry' : lifetime(one.ttl),
    one.singleUse ? 'once' : 'again',
    one.derivedTtl === 0 ? 'token' : lifetime(one.derivedTtl),
    one.audiences.join(' '),
  ]);
  return table(['NAME', 'SOURCE', 'ALGORITHM', 'LIFE', 'GIVEN', 'OBTAINED LIVES', 'AUD'], rows);
}

const nothingNamed = (): CommandError =>
  new CommandError('invalid-argument', 'no option says what to set', '`mayfly audience set --help` shows what can be.');

const eitherOr = (): CommandError =>
  new CommandError('invalid-argument', '--aws-session are the claims', 'Leave --claims out, or write them into it.');
