/** Who stands above the X.509 authorities, as it is written in the settings. */
import { z } from 'zod';
import type { UpstreamSettings } from '../authority/authority.ts';
import { absolutePath, duration } from './fields.ts';
import { canShow, oneAuth, saysOneAuth, showsOverTls, vaultAuth, vaultFields } from './vault.ts';

const written = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('self-signed') }),
    z.strictObject({
      kind: z.literal('disk'),
      certificate_file: absolutePath,
      key_file: absolutePath,
      roots_file: absolutePath.optional(),
    }),
    z
      .strictObject({
        kind: z.literal('vault-pki'),
        ...vaultFields('pki'),
        roots_file: absolutePath.optional(),
        timeout: duration(1, 120).default(10),
      })
      .refine(saysOneAuth, oneAuth)
      .refine(canShow, showsOverTls),
    z.strictObject({
      kind: z.literal('mayfly'),
      admin_socket: absolutePath,
      timeout: duration(1, 120).default(10),
    }),
  ],
  { error: 'must be self-signed, disk, vault-pki or mayfly, as in upstream: { kind: self-signed }' },
);

export const upstream = written.prefault({ kind: 'self-signed' });

/** Another issuer of the same trust domain. */
export interface IssuerAbove {
  readonly kind: 'mayfly';
  readonly socket: string;
  readonly timeoutSeconds: number;
}

/** The same, by the names that code has. */
export function upstreamSettings(from: z.output<typeof written>): UpstreamSettings | IssuerAbove {
  if (from.kind === 'self-signed') return from;
  if (from.kind === 'mayfly') return { kind: 'mayfly', socket: from.admin_socket, timeoutSeconds: from.timeout };
  const rootsFile = from.roots_file;
  if (from.kind === 'disk') {
    return { kind: 'disk', certificateFile: from.certificate_file, keyFile: from.key_file, rootsFile };
  }
  const { kind, address, mount, namespace, ca_file: caFile, timeout } = from;
  return {
    ...{ kind, address, mount, namespace, caFile, rootsFile },
    auth: vaultAuth(from),
    timeoutMs: timeout * 1000,
  };
}
