import { describe, expect, it } from 'vitest';
import { parseConfig, printConfig } from './config.ts';

const refused = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return 'accepted';
};

describe('the settings', () => {
  it('print as a file that reads back as themselves', () => {
    const config = parseConfig({ trustDomain: 'example.org', http: '127.0.0.1:9090', x509Ttl: '90s' });
    expect(parseConfig({}, printConfig(config))).toEqual(config);
  });

  it('print every default, also without a trust domain', () => {
    const text = printConfig(parseConfig({}));
    expect(text).toContain('x509_svid_ttl: 1h');
    expect(text).toContain('jwt_svid_ttl: 5m');
    expect(text).toContain('ca_ttl: 1d');
    expect(text).toContain('# trust_domain:');
  });

  it('take options before the file, and the file before the defaults', () => {
    const config = parseConfig({ caTtl: '2h' }, 'ca_ttl: 3h\njwt_svid_ttl: 60s\n');
    expect([config.ca_ttl, config.jwt_svid_ttl, config.x509_svid_ttl]).toEqual([7200, 60, 3600]);
  });

  it('name the line of an unknown key', () => {
    expect(refused(() => parseConfig({}, 'log_level: info\n\ntrust_domian: example.org\n'))).toMatch(
      /^line 3: trust_domian: is not a setting/,
    );
  });

  it.each([
    ['a key twice', 'ca_ttl: 1h\nca_ttl: 2h\n', /line 2/],
    ['no YAML', 'a: [1\n', /not YAML/],
    ['a list', '- a\n', /not a list of/],
    ['a bad duration', 'ca_ttl: soon\n', /^line 1: ca_ttl: .*not a duration/],
    ['a life below five seconds', 'x509_svid_ttl: 4s\n', /at least 5s/],
    ['a public address for health', 'http: 0.0.0.0:80\n', /loopback/],
    ['an upper-case trust domain', 'trust_domain: Example.org\n', /a-z/],
    ['a relative socket', 'socket: api.sock\n', /absolute/],
    ['aliases', 'a: &a [1]\nb: *a\n', /./],
  ])('refuse %s', (_, yaml, message) => expect(refused(() => parseConfig({}, yaml))).toMatch(message));

  it.each([
    [
      'a slash at its end',
      'issuer: https://id.example.org/\n',
      /^line 1: issuer: .*slash.*: https:\/\/id\.example\.org$/,
    ],
    ['a listener without it', 'issuer_listen: 127.0.0.1:8443\n', /^line 1: issuer_listen: .*set issuer too/],
    [
      'plain HTTP to the world',
      'issuer: https://a.example\nissuer_listen: 0.0.0.0:80\n',
      /^line 2: issuer_listen: .*loopback/,
    ],
    [
      'half a pair',
      'issuer: https://a.example\nissuer_listen: 0.0.0.0:80\nissuer_cert: /a\n',
      /^line 3: .*issuer_key too/,
    ],
    [
      'the other half',
      'issuer: https://a.example\nissuer_listen: 0.0.0.0:80\nissuer_key: /a\n',
      /^line 3: .*issuer_cert too/,
    ],
    ['a certificate for nobody', 'issuer: https://a.example\nissuer_cert: /a\n', /^line 2: .*issuer_listen too/],
  ])('R-NET-4 refuse an issuer with %s', (_, yaml, message) =>
    expect(refused(() => parseConfig({}, yaml))).toMatch(message),
  );

  it('name the option that is wrong', () => {
    expect(refused(() => parseConfig({ trustDomain: 'spiffe://x' }))).toMatch(/^the option for trust_domain: /);
  });
});
