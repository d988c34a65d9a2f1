/** What relying parties answer, and what is written for them by hand. */
import { jsonFault } from '../../../src/cloud/fault.ts';
import { parseProvider, parseServiceAccount } from '../../../src/cloud/gcp.ts';
import { versionIn } from '../../../src/cloud/kubernetes.ts';
import { readToken } from '../../../src/cloud/oauth.ts';
import { parseProjection } from '../../../src/cloud/projection.ts';
import { checkedUrl } from '../../../src/cloud/relying-url.ts';
import { IdentityError } from '../../../src/errors.ts';
import { promise, type Target, texts } from '../engine/target.ts';

const jwt = ['{"alg":"ES256"}', '{"aud":["reports"],"exp":1}', 'x']
  .map((part) => Buffer.from(part).toString('base64url'))
  .join('.');

export const tokenAnswer: Target = {
  seeds: texts(
    '{"access_token":"x","issued_token_type":"urn:wanted","token_type":"Bearer","expires_in":60,"scope":"a"}',
    `{"access_token":"${jwt}","expires_in":"60"}`,
    ...['{"error":"invalid_grant","error_description":"no"}', '{"error":{"status":"DENIED","message":"no"}}'],
    ...[
      '{"errors":["no"]}',
      '{"__type":"a","message":"b"}',
      '{"code":7,"message":"b"}',
      '[]',
      'null',
      '{"expires_in":1e309}',
    ],
  ),
  run: (input) => {
    const body = input.toString('utf8');
    for (const done of [true, false]) promise(jsonFault(body, done) !== '', 'an error has words');
    const question = { endpoint: 'https://as.example/token?q', grant: 'token-exchange', clientAuth: 'none' } as const;
    const asked = { ...question, audience: 'reports', requestedTokenType: 'urn:wanted' };
    const { accessToken, expiresAt = Infinity } = readToken({ status: 200, headers: {}, body }, asked, 0);
    promise(/^[\x21-\x7e]+$/.test(accessToken), 'a header can hold the token');
    promise(expiresAt > 0, 'its end is ahead');
  },
};

export const projection: Target = {
  seeds: texts(
    "tokens:\n  - { audience: a, file: f, mode: '0640', on_change: { pid: 7, signal: USR1 } }\n",
    'certificates:\n  - certificate: c\n    key: k\n    bundle: b\n    combined: d\n    key_format: pkcs8-der\n    bundles: all\n',
    ...[
      'metrics: 127.0.0.1:1',
      'metrics: "[::1]:1"',
      'status: s',
      'socket: unix:///s',
      '&a [*a]',
      '---\n---\n',
      '? [a]',
      'spiffe_id: spiffe://a/b',
    ],
    ...['on_change: { command: [a, b] }', 'on_change: { pid_file: p }', '__proto__: 1'],
  ),
  run: (input) => {
    const { tokens, certificates } = parseProjection(input.toString('utf8'), '/base');
    promise(tokens.length + certificates.length > 0, 'it names a file');
    const all = [...tokens, ...certificates];
    promise(
      all.every(({ mode }) => (mode & 0o7007) === 0),
      'nobody else can read it',
    );
    const files = [
      ...tokens.map(({ file }) => file),
      ...certificates.flatMap(({ certificate, key }) => [certificate, key]),
    ];
    promise(
      new Set(files).size === files.length && files.every((file) => file.startsWith('/')),
      'each file is one, and absolute',
    );
  },
};

export const cloudNames: Target = {
  seeds: texts(
    'projects/1/locations/global/workloadIdentityPools/pool/providers/mayfly',
    ...[
      '//iam.googleapis.com/projects/1',
      'app@p.iam.gserviceaccount.com',
      'https://a/b?c#d',
      'http://127.0.0.1:1/',
      'https://u:p@a/',
    ],
    '{"apiVersion":"client.authentication.k8s.io/v1"}',
  ),
  run: (input) => {
    const text = input.toString('utf8');
    for (const parse of [parseProvider, parseServiceAccount, checkedUrl, versionIn]) taken(() => parse(text));
  },
};

function taken(parse: () => unknown): void {
  try {
    parse();
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
  }
}
