import { Command, type Command as CommandType } from 'commander';
import { terminal } from '../runtime/terminal.ts';
import { teachUsage } from './leaf.ts';
import { sentence } from './text.ts';

interface Room {
  readonly summary: string;
  readonly load: () => Promise<{ define(command: CommandType): void }>;
}

/** Each command or group with its file, which is loaded only when its name is on the command line. */
const rooms: Readonly<Record<string, Room>> = {
  up: { summary: 'start the issuer: server and agent in one process', load: () => import('./up.ts') },
  person: { summary: 'people, who own registration entries', load: () => import('./person.ts') },
  entry: { summary: 'registration entries: which workload is owed which identity', load: () => import('./entry.ts') },
  bundle: { summary: 'trust bundles: of this trust domain and of others', load: () => import('./bundle.ts') },
  federation: { summary: 'foreign trust domains that are believed', load: () => import('./federation.ts') },
  audience: {
    summary: 'clouds and others outside SPIFFE: what a token for each is like',
    load: () => import('./audience.ts'),
  },
  oidc: {
    summary: 'what relying parties outside SPIFFE find under the URL of the issuer',
    load: () => import('./oidc.ts'),
  },
  fetch: { summary: 'ask the Workload API, as a workload does', load: () => import('./fetch.ts') },
  token: { summary: 'one token of this process, for one relying party', load: () => import('./token.ts') },
  project: { summary: 'files with tokens and certificates, kept fresh', load: () => import('./project.ts') },
  env: { summary: 'run a program as somebody, at clouds and databases', load: () => import('./env.ts') },
  exchange: {
    summary: 'an SVID of this process for a token of an OAuth 2.0 server',
    load: () => import('./exchange.ts'),
  },
  credentials: {
    summary: 'credentials of others for SVIDs of ours, as their tools take them',
    load: () => import('./credentials.ts'),
  },
  'trust-policy': { summary: 'what relying parties have to be told', load: () => import('./trust-policy.ts') },
  explain: { summary: 'why a process gets an identity, or does not', load: () => import('./explain.ts') },
  ledger: { summary: 'what was granted, used and ended, and the proof of it', load: () => import('./ledger.ts') },
  authority: { summary: 'the authorities that sign', load: () => import('./authority.ts') },
  credential: { summary: 'credentials that were issued, to take one back', load: () => import('./credential.ts') },
  config: {
    summary: 'settings and their defaults; files for the libraries of others',
    load: () => import('./config.ts'),
  },
  status: { summary: 'what runs here, and how much of it', load: () => import('./status.ts') },
  version: { summary: 'which mayfly this is', load: () => import('./version.ts') },
  completion: { summary: 'completion for a shell', load: () => import('./completion.ts') },
};

/** The program, knowing in full only the commands that these words name. */
export const programFor = (words: readonly string[]): Promise<CommandType> =>
  build(Object.keys(rooms).filter((name) => words.includes(name)));

/** The program with every command, for those who describe it. */
export const wholeProgram = (): Promise<CommandType> => build(Object.keys(rooms));

async function build(known: readonly string[]): Promise<CommandType> {
  const program = emptyProgram();
  for (const [name, { summary, load }] of Object.entries(rooms)) {
    const command = teachUsage(program.command(name).helpCommand(false).summary(summary));
    command.description(sentence(summary));
    if (known.includes(name)) (await load()).define(command);
  }
  return program;
}

function emptyProgram(): CommandType {
  const program = new Command('mayfly')
    .description('Short-lived SPIFFE identities for what a workload verifiably is.')
    .helpCommand('help [command]', 'show what a command takes')
    // A command that does something may have commands of its own: whose option it is, its place says.
    .enablePositionalOptions()
    .configureHelp({ sortOptions: true })
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(text),
      outputError: () => {},
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText(
      'after',
      '\nStart:\n  mayfly up --trust-domain example.org --data-dir ./data\n\n' +
        '`mayfly COMMAND --help` says more; every command takes --json.',
    );
  return teachUsage(program);
}
