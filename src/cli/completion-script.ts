import { bashScript } from './completion-bash.ts';
import { fishScript } from './completion-fish.ts';
import { zshScript } from './completion-zsh.ts';
import { commandTree } from './tree.ts';

const writers = { bash: bashScript, zsh: zshScript, fish: fishScript };

/** A script with every command and option in it: completing starts no mayfly. */
export const completionScript = async (shell: keyof typeof writers): Promise<string> =>
  writers[shell](await commandTree());
