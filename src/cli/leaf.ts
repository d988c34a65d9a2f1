import { type Command, type CommanderError, InvalidArgumentError, Option } from 'commander';
import { IdentityError } from '../errors.ts';
import { printableJson } from '../runtime/printable.ts';
import { terminal } from '../runtime/terminal.ts';
import { CommandError, failureDocument, failureOf, formatFailure } from './failure.ts';
import { nothing, type Shape } from './shapes.ts';
import { printable, sentence } from './text.ts';

/** What a command found or did. */
export interface Answer {
  /** For programs: has the shape that the command declares. */
  readonly document: object;
  /** For people: a table or a sentence, ending in a line feed. */
  readonly text: string;
  /** For people, on stderr: what they should know besides. In `document` for programs. */
  readonly warnings?: readonly string[];
  /** The command did its work and what it found is bad: told on stderr after the answer, and in the exit code. */
  readonly failure?: IdentityError;
}

/** A command that does something, as opposed to a group of commands. */
export interface Leaf<Arguments extends readonly unknown[], Options> {
  readonly does: string;
  /** Longer than `does`, where one line is not enough. */
  readonly about?: string;
  readonly prints: Shape;
  readonly examples?: readonly string[];
  readonly act: (parameters: Arguments, options: Options) => Answers;
}

/** Several, one after the other, where the command goes on watching; none where it has spoken for itself. */
type Answers = Promise<Answer | undefined> | AsyncIterable<Answer>;

interface Documented {
  readonly prints: Shape;
  readonly examples: readonly string[];
}

const documented = new WeakMap<Command, Documented>();

/** What the reference says about a command beyond commander's definitions. */
export const documentation = (command: Command): Documented | undefined => documented.get(command);

export function leaf<Arguments extends readonly unknown[], Options>(
  command: Command,
  { does, about, prints, examples = [], act }: Leaf<Arguments, Options>,
): Command {
  documented.set(command, { prints, examples });
  command
    .summary(does)
    .description(about === undefined ? sentence(does) : `${sentence(does)}\n\n${about}`)
    .option('--json', prints === nothing ? 'tell an error as one JSON document' : 'print one JSON document')
    .action(async (...given: unknown[]) => {
      const options = given.at(-2) as Options & { json?: boolean };
      await print(act(given.slice(0, -2) as unknown as Arguments, options), options.json === true);
    });
  if (examples.length > 0) command.addHelpText('after', `\nExamples:\n${examples.map((e) => `  ${e}\n`).join('')}`);
  return teachUsage(command);
}

/** Names the command whose usage was wrong, which commander's error does not. */
export function teachUsage(command: Command): Command {
  return command.exitOverride((error) => {
    throw usageError(error, command);
  });
}

/** A value that commander refuses in its own words, naming the option, where `parse` refuses it. */
export const parsed =
  <Value>(parse: (text: string) => Value) =>
  (text: string): Value => {
    try {
      return parse(text);
    } catch (error) {
      if (error instanceof IdentityError) throw new InvalidArgumentError(error.message);
      throw error;
    }
  };

/** An option that may be given several times. */
export function repeated(flags: string, description: string, choices?: readonly string[]): Option {
  const option = new Option(flags, `${description} (may be repeated)`).default([], 'none');
  if (choices !== undefined) option.choices(choices);
  return option.argParser((value: string, previous: readonly string[] = []) => {
    if (choices?.includes(value) === false) throw new InvalidArgumentError(`One of: ${choices.join(', ')}.`);
    return [...previous, value];
  });
}

/** Tells what went wrong, to a person or to a program, and sets the exit code. */
export function fail(error: unknown, json: boolean): void {
  const failure = failureOf(error);
  terminal.err(json ? printableJson(failureDocument(failure)) : printable(formatFailure(failure)));
  terminal.exitCode(failure.exit);
}

async function print(answers: Answers, json: boolean): Promise<void> {
  if (!(Symbol.asyncIterator in answers)) return show(await answers, json, 2);
  // One document a line, so that a reader knows where each ends.
  for await (const answer of answers) show(answer, json, 0);
}

function show(answer: Answer | undefined, json: boolean, indent: number): void {
  if (answer === undefined) return;
  terminal.out(
    json ? `${printableJson(JSON.stringify(answer.document, undefined, indent))}\n` : printable(answer.text),
  );
  if (!json) for (const warning of answer.warnings ?? []) terminal.err(printable(`warning: ${warning}\n`));
  if (answer.failure !== undefined) fail(answer.failure, json);
}

function usageError(error: CommanderError, command: Command): Error {
  if (error.exitCode === 0) return error;
  const path = pathOf(command).join(' ');
  const next = `\`${path} --help\` shows what it takes.`;
  if (error.code === 'commander.help') return new CommandError('invalid-argument', `${path} needs a command`, next);
  const sentence = error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ');
  return new CommandError('invalid-argument', sentence, next, { cause: error });
}

export const pathOf = (command: Command): string[] =>
  command.parent === null ? [command.name()] : [...pathOf(command.parent), command.name()];
