import { describe, expect, it } from 'vitest';
import { parseConfig, printConfig } from '../config.ts';
import { upstreamSettings } from './upstream.ts';

const refused = (yaml: string): string => {
  try {
    parseConfig({}, yaml);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'accepted';
};

describe('who stands above the X.509 authorities', () => {
  it('is nobody where nothing is said', () => expect(parseConfig({}).upstream).toEqual({ kind: 'self-signed' }));

  it.each([
    '{ kind: self-signed }',
    '{ kind: disk, certificate_file: /ca/chain.pem, key_file: /ca/key.pem, roots_file: /ca/roots.pem }',
    '{ kind: vault-pki, address: "https://vault:8200", token_file: /run/token, timeout: 20s }',
    '{ kind: mayfly, admin_socket: /run/mayfly/admin.sock }',
  ])('%s is read, and printed as it is read back', (text) => {
    const config = parseConfig({}, `upstream: ${text}\n`);
    expect(parseConfig({}, printConfig(config))).toEqual(config);
    expect(upstreamSettings(config.upstream).kind).toBe(config.upstream.kind);
  });

  it.each([
    ['another kind', '{ kind: acme }', /^line 1: upstream.kind: must be self-signed, disk, vault-pki or mayfly/],
    [
      'a key in the settings',
      '{ kind: disk, certificate_file: /c, key: x, key_file: /k }',
      /^line 1: upstream.key: is not/,
    ],
    ['no key', '{ kind: disk, certificate_file: /c }', /^line 1: upstream.key_file: /],
    ['no TLS', '{ kind: vault-pki, address: "http://vault:8200", token_file: /t }', /must be https/],
  ])('refuses %s', (_, text, message) => expect(refused(`upstream: ${text}\n`)).toMatch(message));
});
