import { type CommandNode, everyNode, type OptionNode, type Value } from './tree.ts';

/** One function a command, each an `_arguments` call. */
export const zshScript = (root: CommandNode): string =>
  `#compdef mayfly
# zsh completion for mayfly: mayfly completion zsh > ~/.zfunc/_mayfly, with ~/.zfunc in fpath
${everyNode(root).map(functionOf).join('\n')}
if [ "$funcstack[1]" = "_mayfly" ]; then _mayfly "$@"; else compdef _mayfly mayfly; fi
`;

const nameOf = (path: readonly string[]): string => ['_mayfly', ...path].join('_');

const functionOf = (node: CommandNode): string =>
  node.commands.length > 0 ? groupFunction(node) : `${nameOf(node.path)}() {\n  _arguments ${leafArguments(node)}\n}`;

function groupFunction(node: CommandNode): string {
  const offers = node.commands.map((child) => `    ${quote(`${child.path.at(-1)}:${child.does}`)}`).join('\n');
  const cases = node.commands.map((child) => `    ${child.path.at(-1)}) ${nameOf(child.path)} ;;`).join('\n');
  return `${nameOf(node.path)}() {
  local line state
  local -a commands=(
${offers}
  )
  _arguments -C ${node.options.map(optionOf).join(' ')} '1: :->command' '*:: :->rest'
  case $state in
    command) _describe command commands ;;
    rest) case $line[1] in
${cases}
    esac ;;
  esac
}`;
}

const leafArguments = (node: CommandNode): string =>
  [...node.options.map(optionOf), `'*: :${actionOf(node.argument)}'`].join(' \\\n    ');

const optionOf = ({ flag, does, value }: OptionNode): string =>
  quote(`*${flag}[${does.replaceAll(/[[\]\\:]/g, '\\$&')}]${value.kind === 'none' ? '' : `: :${actionOf(value)}`}`);

function actionOf(value: Value): string {
  if (value.kind === 'choice') return `(${value.of.join(' ')})`;
  if (value.kind === 'directory') return '_files -/';
  return value.kind === 'file' ? '_files' : ' ';
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
