import { describe, expect, it } from 'vitest';
import { parseConfig, printConfig } from '../config.ts';
import { keyPlaceSettings } from './keys.ts';

const refused = (yaml: string): string => {
  try {
    parseConfig({}, yaml);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'accepted';
};

const ring = 'projects/p/locations/l/keyRings/r';
const places = {
  disk: '{ kind: disk }',
  memory: '{ kind: memory }',
  pkcs11: '{ kind: pkcs11, module: /usr/lib/softhsm/libsofthsm2.so, token: "hsm one", pin_file: /etc/mayfly/pin }',
  'aws-kms': '{ kind: aws-kms, region: eu-north-1, endpoint: "https://kms.internal:8443", timeout: 5s }',
  'gcp-kms': `{ kind: gcp-kms, key_ring: ${ring}, protection: software }`,
  'vault-transit': '{ kind: vault-transit, address: "https://vault:8200", token_file: /run/vault/token }',
};
const logins = {
  'a JWT': '{ role: mayfly, jwt_file: /run/mayfly/vault.jwt }',
  'a certificate': '{ role: mayfly, mount: cert/mayfly, certificate_file: /run/svid.pem, key_file: /run/key.pem }',
};

describe('where keys live', () => {
  it('is the disk where nothing is said', () => {
    expect(parseConfig({}).keys).toEqual({ kind: 'disk' });
    expect(printConfig(parseConfig({}))).toMatch(/^keys: \{ kind: "disk" \} {2}# .*\nformer_keys: \[\] {2}#/m);
  });

  it.each(Object.entries(places))('%s is read, and printed with every default as it is read back', (kind, text) => {
    const config = parseConfig({}, `keys: ${text}\nformer_keys: [${text}, { kind: disk }]\n`);
    expect([config.keys.kind, config.former_keys.length]).toEqual([kind, 2]);
    const printed = printConfig(config);
    expect(parseConfig({}, printed)).toEqual(config);
    expect(printed.includes('prefix: "mayfly-"')).toBe(!['disk', 'memory'].includes(kind));
  });

  it.each(Object.entries(logins))('is known at Vault by %s', (_, login) => {
    const config = parseConfig({}, `keys: { kind: vault-transit, address: "https://vault:8200", login: ${login} }\n`);
    expect(parseConfig({}, printConfig(config))).toEqual(config);
    expect(keyPlaceSettings(config.keys)).toMatchObject({ auth: { login: { role: 'mayfly' } } });
  });

  it.each([
    ['both', 'token_file: /t, login: { role: m, jwt_file: /j }', /in token_file or in login, one of them/],
    ['neither', 'namespace: team', /in token_file or in login, one of them/],
    ['a login with nothing', 'login: { role: m }', /jwt_file or both certificate_file and key_file/],
  ])('refuses %s to be known by', (_, text, message) =>
    expect(refused(`keys: { kind: vault-transit, address: "https://vault:8200", ${text} }\n`)).toMatch(message),
  );

  it('refuses to show a certificate where nobody asks for one', () =>
    expect(
      refused(`keys: { kind: vault-transit, address: "http://127.0.0.1:8200", login: ${logins['a certificate']} }\n`),
    ).toMatch(/over https alone/));

  it('has the names that code has', () => {
    const yaml = `keys: { kind: pkcs11, module: /m.so, token: t, pin_variable: HSM_PIN, timeout: 1m }\n`;
    expect(keyPlaceSettings(parseConfig({}, yaml).keys)).toMatchObject({
      ...{ kind: 'pkcs11', module: '/m.so', token: 't', pinVariable: 'HSM_PIN', pinFile: undefined },
      ...{ sessions: 4, prefix: 'mayfly-', timeoutSeconds: 60 },
    });
  });

  it.each([
    ['another kind', 'keys: { kind: floppy }', /^line 1: keys.kind: must be disk, memory, pkcs11/],
    ['no kind', 'keys: disk', /^line 1: keys: /],
    ['a setting of another kind', 'keys: { kind: disk, token: t }', /^line 1: keys.token: is not a setting/],
    ['no PIN', 'keys: { kind: pkcs11, module: /m.so, token: t }', /^line 1: keys: says where the PIN is/],
    ['two PINs', 'keys: { kind: pkcs11, module: /m, token: t, pin_file: /p, pin_variable: P }', /one of them/],
    ['a PIN itself', 'keys: { kind: pkcs11, module: /m, token: t, pin: 1234 }', /^line 1: keys.pin: is not a setting/],
    ['a module by name', 'keys: { kind: pkcs11, module: m.so, token: t, pin_file: /p }', /keys.module: must be an abs/],
    ['no TLS', 'keys: { kind: vault-transit, address: "http://vault:8200", token_file: /t }', /must be https/],
    ['a password', 'keys: { kind: vault-transit, address: "https://a:b@vault", token_file: /t }', /no password/],
    ['a long prefix', `keys: { kind: aws-kms, region: r, prefix: ${'p'.repeat(27)} }`, /up to 25/],
    ['a key ring by name', 'keys: { kind: gcp-kms, key_ring: r }', /keys.key_ring: must be projects/],
    ['no time', 'keys: { kind: aws-kms, region: r, timeout: 0 }', /keys.timeout: must be at least 1s/],
    ['five places', `former_keys: [${Array(5).fill('{ kind: disk }').join()}]`, /^line 1: former_keys: /],
  ])('refuses %s', (_, yaml, message) => expect(refused(`${yaml}\n`)).toMatch(message));

  it('takes no TLS on this very host', () => {
    expect(refused('keys: { kind: vault-transit, address: "http://127.0.0.1:8200", token_file: /t }\n')).toBe(
      'accepted',
    );
  });
});
