/** How to be known at Vault and OpenBao, as it is written in the settings: a token in a file, or a login. */
import { z } from 'zod';
import type { VaultAuth } from '../authority/authority.ts';
import { absolutePath, serviceAddress } from './fields.ts';

const mountPath = z.string().regex(/^[\w-]+(\/[\w-]+)*$/, 'must be a path without slashes at its ends');
const role = z.string().min(1);

const login = z.union(
  [
    z.strictObject({ mount: mountPath.default('jwt'), role, jwt_file: absolutePath }),
    z.strictObject({
      mount: mountPath.default('cert'),
      role,
      certificate_file: absolutePath,
      key_file: absolutePath,
    }),
  ],
  { error: 'must have a role, and jwt_file or both certificate_file and key_file' },
);

/** What both engines need; exactly one of `token_file` and `login`. */
export const vaultFields = (mount: string) => ({
  address: serviceAddress,
  mount: mountPath.default(mount),
  namespace: z.string().min(1).optional(),
  ca_file: absolutePath.optional(),
  token_file: absolutePath.optional(),
  login: login.optional(),
});

interface Written {
  readonly address: string;
  readonly token_file?: string | undefined;
  readonly login?: z.output<typeof login> | undefined;
}

export const saysOneAuth = ({ token_file, login }: Written): boolean =>
  (token_file === undefined) !== (login === undefined);
export const oneAuth = 'says how to be known in token_file or in login, one of them';

/** A certificate is shown over TLS alone. */
export const canShow = ({ address, login }: Written): boolean =>
  login === undefined || 'jwt_file' in login || address.startsWith('https:');
export const showsOverTls = 'shows a certificate over https alone';

/** The same, by the names that code has. */
export function vaultAuth({ token_file, login }: Written): VaultAuth {
  if (login === undefined) return { tokenFile: token_file ?? '' };
  const { mount, role } = login;
  if ('jwt_file' in login) return { login: { mount, role, jwtFile: login.jwt_file } };
  return { login: { mount, role, certificateFile: login.certificate_file, keyFile: login.key_file } };
}
