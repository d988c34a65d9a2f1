import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import {
  certificateConfig,
  externalAccount,
  type GcpProvider,
  type GcpSource,
  longestLifetimeSeconds,
  parseProvider,
  parseServiceAccount,
  shortestLifetimeSeconds,
} from '../cloud/gcp.ts';
import { checkedUrl } from '../cloud/relying-url.ts';
import { IdentityError } from '../errors.ts';
import { formatDuration, parseDuration } from '../runtime/duration.ts';
import { launcherPath } from '../runtime/launcher.ts';
import { type Answer, leaf, parsed } from './leaf.ts';
import * as shapes from './shapes.ts';

interface Options {
  readonly provider: GcpProvider;
  readonly source: GcpSource['kind'];
  readonly tokenFile?: string;
  readonly url?: string;
  readonly header?: string;
  readonly command?: string;
  readonly outputFile?: string;
  readonly executableTimeout?: number;
  readonly certificate?: string;
  readonly key?: string;
  readonly certificateConfig?: string;
  readonly serviceAccount?: string;
  readonly lifetime?: number;
  readonly tokenUrl?: string;
  readonly universeDomain?: string;
  readonly out?: string;
}

export function configGcp(command: Command): void {
  leaf<[], Options>(flags(command), {
    does: 'the file by which Google’s libraries find this identity: GOOGLE_APPLICATION_CREDENTIALS',
    about:
      'It names a source of tokens and holds nothing secret. `file` is what `mayfly project` or `mayfly env` keeps, `url` an ' +
      'endpoint of yours (ours writes its own: `mayfly credentials serve gcp`), `executable` runs `mayfly credentials gcp`, `x509` shows a certificate that `mayfly project` keeps.',
    prints: shapes.externalAccount,
    examples: [
      'mayfly config gcp --provider projects/1/locations/global/workloadIdentityPools/pool/providers/mayfly \\\n' +
        '  --token-file /run/app/gcp.token --out /etc/app/gcp.json',
    ],
    act: async (_, options): Promise<Answer> => {
      if (options.source === 'x509') await writeCertificateConfig(options);
      const document = externalAccount({
        ...options,
        source: sourceOf(options),
        lifetimeSeconds: options.lifetime,
        universe: options.universeDomain,
      });
      const text = `${JSON.stringify(document, undefined, 2)}\n`;
      if (options.out === undefined) return { document, text };
      const { writeFileAtomic } = await import('../runtime/files.ts');
      const out = resolve(options.out);
      writeFileAtomic(out, text, { mode: 0o644 });
      return { document, text: `Wrote ${out}. Export GOOGLE_APPLICATION_CREDENTIALS=${out}\n` };
    },
  });
}

const flags = (command: Command): Command =>
  command
    .requiredOption(
      '--provider <name>',
      'projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER',
      parsed(parseProvider),
    )
    .addOption(
      new Option('--source <kind>', 'where the libraries get tokens')
        .choices(['file', 'url', 'executable', 'x509'])
        .default('file'),
    )
    .option('--token-file <file>', 'file: where the token is')
    .option('--url <url>', 'url: what answers a GET with the token; https, or http on this machine', parsed(checkUrl))
    .option('--header <name:value>', 'url: a header that it wants')
    .option('--command <path>', 'executable: another program than `mayfly credentials gcp`')
    .option('--output-file <file>', 'executable: where the answer is kept for the next process')
    .option('--executable-timeout <duration>', 'executable: 5s to 2m (default: 30s)', parsed(between(5, 120)))
    .option('--certificate <file>', 'x509: the certificate, leaf first')
    .option('--key <file>', 'x509: its key')
    .option('--certificate-config <file>', 'x509: written, and named in the answer: where certificate and key are')
    .option(
      '--service-account <email>',
      'whose token it is in the end; without it the workload itself is the principal',
      parsed(parseServiceAccount),
    )
    .option(
      '--lifetime <duration>',
      'of the service account’s token: 10m to 12h (default: 1h)',
      parsed(between(shortestLifetimeSeconds, longestLifetimeSeconds)),
    )
    .option('--token-url <url>', 'who exchanges instead of Google', parsed(checkUrl))
    .option('--universe-domain <name>', 'another than googleapis.com')
    .option('--out <file>', 'write it there');

function sourceOf(options: Options): GcpSource {
  switch (options.source) {
    case 'file':
      return { kind: 'file', file: resolve(needed(options, 'tokenFile')) };
    case 'url':
      return { kind: 'url', url: needed(options, 'url'), headers: headersOf(options.header) };
    case 'executable': {
      const command =
        options.command === undefined ? [launcherPath(), 'credentials', 'gcp'] : [resolve(options.command)];
      const outputFile = options.outputFile === undefined ? undefined : resolve(options.outputFile);
      return { kind: 'executable', command, outputFile, timeoutSeconds: options.executableTimeout };
    }
    case 'x509':
      return {
        kind: 'x509',
        certificate: resolve(needed(options, 'certificate')),
        certificateConfig: resolve(needed(options, 'certificateConfig')),
      };
  }
}

async function writeCertificateConfig(options: Options): Promise<void> {
  const { writeFileAtomic } = await import('../runtime/files.ts');
  const [certificate, key] = [resolve(needed(options, 'certificate')), resolve(needed(options, 'key'))];
  const document = certificateConfig(certificate, key);
  writeFileAtomic(resolve(needed(options, 'certificateConfig')), `${JSON.stringify(document, undefined, 2)}\n`, {
    mode: 0o644,
  });
}

function needed(options: Options, name: 'tokenFile' | 'url' | 'certificate' | 'key' | 'certificateConfig'): string {
  const value = options[name];
  if (value !== undefined) return value;
  const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new IdentityError('invalid-argument', `the source ${options.source} needs --${flag}`);
}

function headersOf(header: string | undefined): Readonly<Record<string, string>> {
  if (header === undefined) return {};
  const [, name, value] = /^([\w-]+):\s*(\P{C}+)$/u.exec(header) ?? [];
  if (name === undefined || value === undefined) {
    throw new IdentityError('invalid-argument', '--header is not a name, a colon and a value');
  }
  return { [name]: value };
}

function checkUrl(text: string): string {
  checkedUrl(text);
  return text;
}

const between =
  (least: number, most: number) =>
  (text: string): number => {
    const seconds = parseDuration(text);
    if (seconds >= least && seconds <= most) return seconds;
    throw new IdentityError(
      'invalid-argument',
      `'${text}' is not from ${formatDuration(least)} to ${formatDuration(most)}`,
    );
  };
