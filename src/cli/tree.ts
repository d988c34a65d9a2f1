import type { Command, Option } from 'commander';
import { wholeProgram } from './program.ts';

/** What comes after an option or in the place of an argument. */
export type Value =
  | { readonly kind: 'none' | 'text' | 'file' | 'directory' }
  | { readonly kind: 'choice'; of: readonly string[] };

export interface OptionNode {
  readonly flag: string;
  readonly does: string;
  readonly value: Value;
}

/** A command as completion sees it. */
export interface CommandNode {
  /** Without the program's name: `['person', 'add']`. */
  readonly path: readonly string[];
  readonly does: string;
  readonly commands: readonly CommandNode[];
  readonly options: readonly OptionNode[];
  readonly argument: Value;
}

export const commandTree = async (): Promise<CommandNode> => nodeOf(await wholeProgram(), []);

/** The node and everything beneath it, parents first. */
export const everyNode = (node: CommandNode): CommandNode[] => [node, ...node.commands.flatMap(everyNode)];

function nodeOf(command: Command, path: readonly string[]): CommandNode {
  const [argument] = command.registeredArguments;
  return {
    path,
    does: command.summary() || command.description(),
    commands: command.commands.map((child) => nodeOf(child, [...path, child.name()])),
    options: [...command.options.map(optionNode), { flag: '--help', does: 'show help', value: { kind: 'none' } }],
    argument: argument?.argChoices === undefined ? { kind: 'none' } : { kind: 'choice', of: argument.argChoices },
  };
}

function optionNode(option: Option): OptionNode {
  return { flag: option.long ?? option.flags, does: option.description, value: takenBy(option) };
}

function takenBy(option: Option): Value {
  if (option.argChoices !== undefined) return { kind: 'choice', of: option.argChoices };
  const [, name] = /<([a-z:]+)(?:\.\.\.)?>/.exec(option.flags) ?? [];
  if (name === undefined) return { kind: 'none' };
  if (name === 'directory') return { kind: 'directory' };
  return { kind: name === 'file' || name === 'path' ? 'file' : 'text' };
}
