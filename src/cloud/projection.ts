/** What is to be projected: a file of YAML that names, for each token and certificate, the files that it goes into. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { IdentityError } from '../errors.ts';
import { readYamlRecord } from '../runtime/yaml-record.ts';
import { SpiffeId } from '../spiffe/id.ts';
import { type KeyFormat, keyFormats } from './pem.ts';

export interface OnChange {
  readonly signal: 'HUP' | 'USR1' | 'USR2';
  readonly pid?: number | undefined;
  readonly pidFile?: string | undefined;
  readonly command?: readonly string[] | undefined;
}

interface Projected {
  readonly spiffeId?: SpiffeId | undefined;
  readonly mode: number;
  readonly onChange?: OnChange | undefined;
}

export interface ProjectedToken extends Projected {
  readonly audience: string;
  readonly file: string;
}

export interface ProjectedCertificate extends Projected {
  readonly hint?: string | undefined;
  readonly certificate: string;
  readonly key: string;
  readonly bundle?: string | undefined;
  /** Certificates and key in one file, for those who read one: it cannot be half new. */
  readonly combined?: string | undefined;
  readonly keyFormat: KeyFormat;
  /** Our own trust domain's authorities, or those of all that we are to believe. */
  readonly bundles: 'own' | 'all';
}

export interface Projection {
  readonly socket?: string | undefined;
  /** Where `mayfly project status` asks. */
  readonly status?: string | undefined;
  readonly metrics?: { readonly host: string; readonly port: number } | undefined;
  readonly tokens: readonly ProjectedToken[];
  readonly certificates: readonly ProjectedCertificate[];
}

/** Some hundred files. */
const longestFile = 256 * 1024;

/** @param base what relative paths are relative to @throws IdentityError 'invalid-argument' as `line N: …` */
export function parseProjection(text: string, base: string): Projection {
  const { value, lineOf } = readYamlRecord(text, longestFile);
  const result = schemaFor(base).safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const path = [...(issue?.path ?? []), ...unknown];
  const fault = unknown.length > 0 ? 'is not known here' : (issue?.message ?? 'is wrong');
  throw new IdentityError(
    'invalid-argument',
    `line ${lineOf(path)}: ${path.join('.')}${path.length > 0 ? ': ' : ''}${fault}`,
  );
}

function schemaFor(base: string) {
  const path = z
    .string()
    .min(1)
    .transform((text) => resolve(base, text));
  const tokens = z.array(tokenSchema(path)).default([]);
  const certificates = z.array(certificateSchema(path)).default([]);
  return z
    .strictObject({
      socket: z.string().min(1).optional(),
      status: path.optional(),
      metrics: loopback.optional(),
      tokens,
      certificates,
    })
    .superRefine((projection, context) => {
      const faulty = (at: PropertyKey[], message: string): void =>
        context.addIssue({ code: 'custom', path: at, message });
      const places = placesOf(projection);
      if (places.length === 0) faulty([], 'names no file: list some under tokens or certificates');
      const seen = new Set<string>();
      for (const { file, at } of places) {
        if (seen.has(file)) faulty(at, `${file} is named twice: each file has one content`);
        seen.add(file);
      }
    });
}

function placesOf({ tokens, certificates }: Pick<Projection, 'tokens' | 'certificates'>) {
  const ofCertificates = certificates.flatMap((one, index) =>
    (['certificate', 'key', 'bundle', 'combined'] as const).flatMap((name) => {
      const file = one[name];
      return file === undefined ? [] : [{ file, at: ['certificates', index, name] as PropertyKey[] }];
    }),
  );
  return [
    ...tokens.map(({ file }, index) => ({ file, at: ['tokens', index, 'file'] as PropertyKey[] })),
    ...ofCertificates,
  ];
}

type PathSchema = z.ZodType<string, string>;

const tokenSchema = (path: PathSchema) =>
  z
    .strictObject({ audience: z.string().min(1), file: path, ...common(path) })
    .transform(
      ({ spiffe_id: spiffeId, on_change: onChange, ...rest }): ProjectedToken => ({ ...rest, spiffeId, onChange }),
    );

const certificateSchema = (path: PathSchema) =>
  z
    .strictObject({
      ...{ certificate: path, key: path, bundle: path.optional(), combined: path.optional() },
      ...{ hint: z.string().min(1).optional(), key_format: z.enum(keyFormats).default('pkcs8') },
      ...{ bundles: z.enum(['own', 'all']).default('own'), ...common(path) },
    })
    .transform(
      ({ spiffe_id: spiffeId, on_change: onChange, key_format: keyFormat, ...rest }): ProjectedCertificate => ({
        ...{ ...rest, spiffeId, onChange, keyFormat },
      }),
    );

const common = (path: PathSchema) => ({
  spiffe_id: z.string().transform(parsed(SpiffeId.parseWorkload)).optional(),
  mode: z
    .string("is written in quotes, as in '0640': YAML takes 0640 for another number")
    .regex(/^0[0-7]{3}$/, "is an octal number in quotes, as in '0640'")
    .transform((text) => Number.parseInt(text, 8))
    .refine((mode) => (mode & 0o007) === 0, 'would let every user of this host read a credential')
    .default(0o600),
  on_change: changeSchema(path).optional(),
});

const changeSchema = (path: PathSchema) =>
  z
    .strictObject({
      signal: z.enum(['HUP', 'USR1', 'USR2']).default('HUP'),
      pid: z.number().int().min(2).optional(),
      pid_file: path.optional(),
      command: z.array(z.string().min(1)).min(1).optional(),
    })
    .refine(
      ({ pid, pid_file, command }) => [pid, pid_file, command].filter((one) => one !== undefined).length === 1,
      'names one of pid, pid_file and command',
    )
    .transform(({ pid_file: pidFile, ...rest }): OnChange => ({ ...rest, pidFile }));

const parsed =
  <T>(parse: (text: string) => T) =>
  (text: string, context: z.RefinementCtx): T => {
    try {
      return parse(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  };

const loopback = z.string().transform(
  parsed((text) => {
    const [, host, port] = /^(127(?:\.\d{1,3}){3}|\[::1\]):(\d{1,5})$/.exec(text) ?? [];
    if (host === undefined) throw new TypeError('is a loopback address and a port, as in 127.0.0.1:9465');
    return { host: host.replaceAll(/[[\]]/g, ''), port: Number(port) };
  }),
);
