import { type CommandNode, everyNode, type Value } from './tree.ts';

/** Walks the words to find the command, then offers its commands and options, or what the option before takes. */
export function bashScript(root: CommandNode): string {
  const nodes = everyNode(root);
  return `# bash completion for mayfly: source <(mayfly completion bash)
_mayfly() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path/$word" in
      ${patterns(nodes.filter((node) => node.path.length > 0).map((node) => pathOf(node)))}) path=$path/$word ;;
    esac
  done
  case "$path $prev" in
${valueCases(nodes).join('\n')}
  esac
  case "$path" in
${nodes.map(wordsCase).join('\n')}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _mayfly mayfly
`;
}

const pathOf = (node: CommandNode): string => node.path.map((name) => `/${name}`).join('');
const patterns = (paths: readonly string[]): string => paths.join(' | ');

/** Options that take the same kind of value share a line. */
function valueCases(nodes: readonly CommandNode[]): string[] {
  const places = nodes.flatMap((node) => node.options.map((option) => ({ node, option })));
  const valued = places.filter(({ option }) => option.value.kind !== 'none');
  const byReply = Map.groupBy(valued, ({ option }) => reply(option.value));
  return [...byReply].map(([replied, group]) => {
    const where = group.map(({ node, option }) => `'${pathOf(node)} ${option.flag}'`);
    return `    ${where.join(' | ')}) ${replied}return ;;`;
  });
}

const reply = (value: Value): string => {
  if (value.kind === 'choice') return `mapfile -t COMPREPLY < <(compgen -W '${value.of.join(' ')}' -- "$cur"); `;
  if (value.kind === 'directory') return `${filenames}mapfile -t COMPREPLY < <(compgen -d -- "$cur"); `;
  return value.kind === 'file' ? `${filenames}mapfile -t COMPREPLY < <(compgen -f -- "$cur"); ` : '';
};

const filenames = 'compopt -o filenames 2>/dev/null; ';

function wordsCase(node: CommandNode): string {
  const commands = node.commands.map((child) => child.path.at(-1) ?? '');
  const choices = node.argument.kind === 'choice' ? node.argument.of : [];
  const words = [...commands, ...choices, ...node.options.map((option) => option.flag)];
  return `    '${pathOf(node)}') words='${words.join(' ')}' ;;`;
}
