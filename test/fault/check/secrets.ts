/** I8: no key and no token in anything that is meant to be read. */
import { createPrivateKey } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Evidence } from './files.ts';
import type { Findings } from './report.ts';

/** So many of the keys and tokens that workloads were given; of the authorities' keys, all. */
const sample = 60;

export function checkSecrets(evidence: Evidence, findings: Findings): void {
  const places = readable(evidence);
  const secrets = [...authorityKeys(evidence), ...given(evidence)];
  for (const { name, forms } of secrets) {
    for (const [place, bytes] of places) {
      for (const form of forms) findings.must(!bytes.includes(form), 'I8', () => `${name} stands in ${place}`);
    }
  }
  for (const [place, bytes] of places)
    findings.must(!bytes.includes('PRIVATE KEY'), 'I8', () => `a private key stands in ${place}`);
  findings.count('secrets looked for', secrets.length);
}

/** Everything but `keys/`; and whatever the issuer left where it ran: a core, a heap snapshot, a report. */
function readable({ log, data, droppings }: Evidence): ReadonlyMap<string, Buffer> {
  const places = new Map([['the log', Buffer.from(log)]]);
  for (const directory of [data, droppings].filter((path) => existsSync(path))) {
    for (const name of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      const path = join(name.parentPath, name.name);
      if (name.isFile() && !path.includes('/keys/')) places.set(path.slice(directory.length + 1), readFileSync(path));
    }
  }
  return places;
}

interface Secret {
  readonly name: string;
  readonly forms: readonly (string | Buffer)[];
}

function authorityKeys({ data }: Evidence): Secret[] {
  const directory = join(data, 'keys');
  if (!existsSync(directory)) return [];
  return readdirSync(directory).map((name) => {
    const text = readFileSync(join(directory, name), 'latin1');
    const forms = name.endsWith('.pem')
      ? scalarForms(createPrivateKey(text.slice(text.indexOf('-----BEGIN'))).export({ format: 'der', type: 'pkcs8' }))
      : [text.trim()];
    return { name, forms };
  });
}

function given({ captures }: Evidence): Secret[] {
  const keys = captures.flatMap((capture) => (capture.kind === 'x509' ? capture.svids.map(({ key }) => key) : []));
  const tokens = captures.flatMap((capture) =>
    capture.kind === 'jwt' ? capture.tokens.map(({ token }) => token) : [],
  );
  return [
    ...spread(keys).map((key) => ({ name: 'the key of a workload', forms: scalarForms(Buffer.from(key, 'base64')) })),
    ...spread(tokens).map((token) => ({ name: 'a token', forms: [token.split('.')[2] ?? token] })),
  ];
}

const spread = (items: readonly string[]): string[] => {
  const distinct = [...new Set(items)];
  const step = Math.max(1, Math.floor(distinct.length / sample));
  return distinct.filter((_, index) => index % step === 0);
};

/** The private number of a P-256 key: as bytes, in hexadecimal, and as base64 has it at each of its three alignments. */
function scalarForms(pkcs8: Buffer): (string | Buffer)[] {
  const at = pkcs8.indexOf(Buffer.from([0x02, 0x01, 0x01, 0x04, 0x20])) + 5;
  const scalar = pkcs8.subarray(at, at + 32);
  const aligned = [0, 1, 2].map((shift) =>
    Buffer.concat([Buffer.alloc(shift), scalar])
      .toString('base64')
      .slice(4, 40),
  );
  return [
    scalar,
    scalar.toString('hex'),
    ...aligned,
    ...aligned.map((text) => text.replaceAll('+', '-').replaceAll('/', '_')),
  ];
}
