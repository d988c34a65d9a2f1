/** docs/commands.md, written from the commands themselves: `make docs`. */
import type { Argument, Command, Option } from 'commander';
import { errorTable } from '../errors.ts';
import { defaultSockets } from '../runtime/defaults.ts';
import { terminal } from '../runtime/terminal.ts';
import { documentation, pathOf } from './leaf.ts';
import { wholeProgram } from './program.ts';
import { named, shapeText } from './shape-text.ts';
import type { Shape } from './shapes.ts';
import * as shapes from './shapes.ts';

export async function commandReference(): Promise<string> {
  const program = await wholeProgram();
  return [opening, exitCodes(), documents(), ...program.commands.map(section)].join('\n');
}

const opening = `# Commands

Generated from the program by \`make docs\`; change the program, not this file.

The command line is a client: of the admin API (for operators, over the admin socket) and of the SPIFFE Workload API
(\`mayfly fetch\`, as any workload). Only \`mayfly up\` and \`mayfly config\` work without a running issuer.

| socket | option | variable | default |
|---|---|---|---|
| admin API | \`--admin-socket\` | \`MAYFLY_ADMIN_SOCKET\` | \`${defaultSockets.admin}\` |
| Workload API | \`--socket\` | \`SPIFFE_ENDPOINT_SOCKET\` | \`unix://${defaultSockets.workload}\` |

**Durations** are \`30s\`, \`5m\`, \`1h\`, \`1h30m\`, \`7d\`, or seconds. **Times** are RFC 3339 such as
\`2026-11-23T12:00:00Z\`, \`now\`, or a duration from now: \`-1h\` is an hour ago, \`+8h\` in eight hours; without a sign it
goes where the option looks (\`--since 1h\` back, \`--expires-at 8h\` ahead).

**Output.** A table or a sentence on stdout; progress and warnings on stderr. Every command takes \`--json\`: then stdout
is one document of the shape shown with the command, whose fields stay, and an error is one document on stderr.
`;

const exitCodes = (): string => {
  const sorted = errorTable().toSorted((a, b) => a.exit - b.exit);
  const rows = sorted.map(({ code, exit, grpc, advice }) => `| ${exit} | \`${code}\` | ${grpc} | ${advice} |`);
  return `## Exit codes

| exit | code | gRPC status | what to do |
|---|---|---|---|
| 0 | | 0 | |
| 1 | \`internal\` | 2, 13 | A defect of mayfly, named by an incident id: look in the log, or report it. |
${rows.join('\n')}

A command that was used wrongly ends with 2 as well. A reader of stdout that goes away ends the command silently.
`;
};

const documents = (): string => `## Documents

Times are RFC 3339 in UTC with milliseconds, lives are seconds (0: the issuer's default), certificates are PEM.

${Object.entries(named)
  .map(([name, shape]) => `**${name}**\n\n${fenced(shapeText(shape))}`)
  .join('\n')}
**An error**, on stderr:

${fenced(shapeText(shapes.failure))}`;

function section(command: Command): string {
  const leaves = leavesOf(command);
  return `## mayfly ${command.name()}\n\n${leaves.map((leaf) => leafText(leaf, leaf === command)).join('\n')}`;
}

/** A command may do something and have commands of its own. */
const leavesOf = (command: Command): Command[] => {
  const own = command.commands.length === 0 || documentation(command) !== undefined ? [command] : [];
  return [...own, ...command.commands.flatMap(leavesOf)];
};

function leafText(leaf: Command, alone: boolean): string {
  const { prints, examples = [] } = documentation(leaf) ?? {};
  const heading = alone ? '' : `### ${pathOf(leaf).join(' ')}\n\n`;
  const usage = `${pathOf(leaf).join(' ')}${leaf.registeredArguments.map(argument).join('')} [options]`;
  const shown = examples.length === 0 ? '' : `\n${fenced(`${examples.join('\n')}\n`, 'sh')}`;
  return `${heading}${leaf.description()}

${fenced(`${usage}\n`)}
| option | meaning |
|---|---|
${leaf.options.map(optionRow).join('\n')}
${shown}${prints === undefined ? '' : printed(prints)}`;
}

function printed(shape: Shape): string {
  if (shape === shapes.nothing) return '';
  const name = Object.keys(named).find((key) => named[key] === shape);
  return name === undefined ? `\nWith \`--json\`:\n\n${fenced(shapeText(shape))}` : `\nWith \`--json\`: ${name}.\n`;
}

const argument = (of: Argument): string => (of.required ? ` <${of.name()}>` : ` [${of.name()}]`);

function optionRow(option: Option): string {
  const choices = option.argChoices === undefined ? '' : ` (${option.argChoices.join(', ')})`;
  const fallback = option.defaultValueDescription ?? option.defaultValue;
  const standard = fallback === undefined || fallback === 'none' ? '' : ` (default: ${fallback})`;
  const must = option.mandatory ? ' **required**' : '';
  return `| \`${option.flags}\` | ${`${option.description}${choices}${standard}${must}`.replaceAll('|', '\\|')} |`;
}

const fenced = (text: string, language = ''): string => `\`\`\`${language}\n${text}\`\`\`\n`;

if (import.meta.main) terminal.out(await commandReference());
