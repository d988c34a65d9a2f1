import { type CommandNode, everyNode, type OptionNode, type Value } from './tree.ts';

/** One `complete` line for each thing that can be offered, with the command after which it is. */
export const fishScript = (root: CommandNode): string =>
  `# fish completion for mayfly: mayfly completion fish > ~/.config/fish/completions/mayfly.fish
function __mayfly_at
    set -l path
    for word in (commandline -opc)[2..]
        contains -- "$path/$word" ${everyNode(root)
          .slice(1)
          .map((node) => quote(pathOf(node)))
          .join(' ')}
        and set path "$path/$word"
    end
    test "$path" = "$argv[1]"
end
complete -c mayfly -f
${everyNode(root).flatMap(linesOf).join('\n')}
`;

const pathOf = (node: CommandNode): string => node.path.map((name) => `/${name}`).join('');

function linesOf(node: CommandNode): string[] {
  const here = `complete -c mayfly -n ${quote(`__mayfly_at "${pathOf(node)}"`)}`;
  const commands = node.commands.map((child) => `${here} -a ${child.path.at(-1)} -d ${quote(child.does)}`);
  const choices = node.argument.kind === 'choice' ? [`${here} -a ${quote(node.argument.of.join(' '))}`] : [];
  return [...commands, ...choices, ...node.options.map((option) => `${here} ${optionOf(option)}`)];
}

const optionOf = ({ flag, does, value }: OptionNode): string => `-l ${flag.slice(2)} -d ${quote(does)}${takes(value)}`;

function takes(value: Value): string {
  if (value.kind === 'choice') return ` -x -a ${quote(value.of.join(' '))}`;
  if (value.kind === 'directory') return " -x -a '(__fish_complete_directories)'";
  if (value.kind === 'file') return ' -r -F';
  return value.kind === 'text' ? ' -x' : '';
}

const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
