/** Where the authorities' keys live, as it is written in the settings. No secret is: files and variables are named. */
import { z } from 'zod';
import type { KeyPlaceSettings } from '../authority/authority.ts';
import { absolutePath, duration, serviceAddress } from './fields.ts';
import { canShow, oneAuth, saysOneAuth, showsOverTls, vaultAuth, vaultFields } from './vault.ts';

/** What all kinds of names and aliases may consist of; the longest of ours then has 63 characters, as Google's may. */
const prefix = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9_-]{0,24}$/, 'must be up to 25 letters, digits, - and _, as in mayfly-')
  .default('mayfly-');
const elsewhere = { prefix, timeout: duration(1, 120).default(10) };

const pkcs11 = z
  .strictObject({
    kind: z.literal('pkcs11'),
    module: absolutePath,
    token: z.string().min(1).max(32),
    pin_file: absolutePath.optional(),
    pin_variable: z
      .string()
      .regex(/^[A-Z_][A-Z0-9_]*$/, 'must be the name of a variable')
      .optional(),
    sessions: z.number().int().min(1).max(8).default(4),
    ...elsewhere,
  })
  .refine(
    ({ pin_file, pin_variable }) => (pin_file === undefined) !== (pin_variable === undefined),
    'says where the PIN is in pin_file or in pin_variable, one of them',
  );

const place = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('disk') }),
    z.strictObject({ kind: z.literal('memory') }),
    pkcs11,
    z.strictObject({
      kind: z.literal('aws-kms'),
      region: z.string().regex(/^[a-z0-9-]+$/, 'must be a region, as in eu-north-1'),
      endpoint: serviceAddress.optional(),
      ...elsewhere,
    }),
    z.strictObject({
      kind: z.literal('gcp-kms'),
      key_ring: z
        .string()
        .regex(/^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+$/, 'must be projects/P/locations/L/keyRings/R'),
      protection: z.enum(['hsm', 'software']).default('hsm'),
      endpoint: serviceAddress.optional(),
      ...elsewhere,
    }),
    z
      .strictObject({ kind: z.literal('vault-transit'), ...vaultFields('transit'), ...elsewhere })
      .refine(saysOneAuth, oneAuth)
      .refine(canShow, showsOverTls),
  ],
  { error: 'must be disk, memory, pkcs11, aws-kms, gcp-kms or vault-transit, as in keys: { kind: disk }' },
);

export const keys = place.prefault({ kind: 'disk' });

const mostFormer = 4;
export const formerKeys = z.array(place).max(mostFormer).default([]);

type Place = z.output<typeof place>;

/** The same, by the names that code has. */
export function keyPlaceSettings(written: Place): KeyPlaceSettings {
  if (written.kind === 'disk' || written.kind === 'memory') return { kind: written.kind };
  const { timeout: timeoutSeconds } = written;
  switch (written.kind) {
    case 'pkcs11':
      return { ...written, pinFile: written.pin_file, pinVariable: written.pin_variable, timeoutSeconds };
    case 'aws-kms':
      return { ...written, timeoutSeconds };
    case 'gcp-kms':
      return { ...written, keyRing: written.key_ring, timeoutSeconds };
    case 'vault-transit':
      return { ...written, caFile: written.ca_file, auth: vaultAuth(written), timeoutSeconds };
  }
}
