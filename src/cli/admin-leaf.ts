import { type Command, Option } from 'commander';
import { defaultSockets } from '../runtime/defaults.ts';
import type { Admin } from './admin.ts';
import { type Answer, type Leaf, leaf } from './leaf.ts';
import type { AdminOptions } from './sockets.ts';

/** A command that asks the admin API. */
export interface AdminLeaf<Arguments extends readonly unknown[], Options>
  extends Omit<Leaf<Arguments, Options>, 'act'> {
  readonly ask: (admin: Admin, parameters: Arguments, options: Options) => Promise<Answer>;
}

export function adminLeaf<Arguments extends readonly unknown[], Options>(
  command: Command,
  { ask, ...rest }: AdminLeaf<Arguments, Options>,
): Command {
  return leaf<Arguments, Options & AdminOptions>(command.addOption(adminSocket()), {
    ...rest,
    act: async (parameters, options) => {
      // The client takes longer to load than everything else: loaded where a command runs, not where it is described.
      const { Admin } = await import('./admin.ts');
      using admin = new Admin(options);
      return await ask(admin, parameters, options);
    },
  });
}

export const adminSocket = (): Option =>
  new Option(
    '--admin-socket <path>',
    `the issuer's admin socket (default: MAYFLY_ADMIN_SOCKET, else ${defaultSockets.admin})`,
  );
