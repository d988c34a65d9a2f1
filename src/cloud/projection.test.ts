import { describe, expect, it } from 'vitest';
import { parseProjection } from './projection.ts';

const parse = (text: string) => parseProjection(text, '/etc/app');

describe('a file of what to project', () => {
  it('names files for tokens and certificates, relative to where it lies', () => {
    const { tokens, certificates } = parse(`
tokens:
  - { audience: sts.amazonaws.com, file: /run/app/aws.token }
  - { audience: vault, file: vault.token, mode: '0640', on_change: { pid_file: app.pid } }
certificates:
  - certificate: pg/client.crt
    key: pg/client.key
    bundle: pg/root.crt
    key_format: traditional
    spiffe_id: spiffe://example.org/web
    on_change: { command: [pg_ctl, reload] }
`);
    expect(tokens[0]).toMatchObject({ audience: 'sts.amazonaws.com', file: '/run/app/aws.token', mode: 0o600 });
    expect(tokens[1]).toMatchObject({ file: '/etc/app/vault.token', mode: 0o640 });
    expect(tokens[1]?.onChange).toEqual({ signal: 'HUP', pidFile: '/etc/app/app.pid' });
    expect(certificates[0]).toMatchObject({
      certificate: '/etc/app/pg/client.crt',
      key: '/etc/app/pg/client.key',
      keyFormat: 'traditional',
      bundles: 'own',
      onChange: { command: ['pg_ctl', 'reload'] },
    });
  });

  it.each([
    ['tokens:\n  - audience: a\n    file: f\n    audiance: b\n', 'line 4: tokens.0.audiance: is not known here'],
    ['token: []\n', 'line 1: token: is not known here'],
    ['tokens:\n  - audience: a\n', /^line 2: tokens\.0\.file: /],
    [
      'tokens:\n  - { audience: a, file: f }\n  - { audience: b, file: ./f }\n',
      'line 3: tokens.1.file: /etc/app/f is named twice: each file has one content',
    ],
    [
      "tokens:\n  - audience: a\n    file: f\n    mode: '0644'\n",
      'line 4: tokens.0.mode: would let every user of this host read a credential',
    ],
    [
      'tokens:\n  - audience: a\n    file: f\n    mode: 0640\n',
      "line 4: tokens.0.mode: is written in quotes, as in '0640': YAML takes 0640 for another number",
    ],
    [
      'tokens:\n  - audience: a\n    file: f\n    on_change: { pid: 7, pid_file: x }\n',
      'line 4: tokens.0.on_change: names one of pid, pid_file and command',
    ],
    ['tokens:\n  - audience: a\n    file: f\n    on_change: { pid: 1 }\n', /^line 4: tokens\.0\.on_change\.pid: /],
    [
      'certificates:\n  - certificate: c\n    key: k\n    spiffe_id: web\n',
      /^line 4: certificates\.0\.spiffe_id: The SPIFFE ID must begin/,
    ],
    ['metrics: 0.0.0.0:9465\ntokens: []\n', 'line 1: metrics: is a loopback address and a port, as in 127.0.0.1:9465'],
    ['tokens: []\n', 'line 1: names no file: list some under tokens or certificates'],
    ['tokens: [\n', /^line \d: not YAML: /],
    ['- a\n', 'line 1: it is not a mapping of names to values'],
    ['tokens: &t []\ncertificates: *t\n', 'line 1: YAML aliases are not taken; write the values out'],
    ['tokens: []\n---\ntokens: []\n', /one document is enough/],
  ])('is refused with the line of what is wrong: %j', (text, message) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({
        code: 'invalid-argument',
        message: typeof message === 'string' ? message : expect.stringMatching(message),
      }),
    );
  });
});
