import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { endpointWarnings, findEndpoint, grpcTarget, parseEndpoint } from './endpoint.ts';

const unix = (path: string) => ({ kind: 'unix', path });
const tcp = (host: string, port: number) => ({ kind: 'tcp', host, port });

const accepted18 = [['UNIX:///run/x.sock', unix('/run/x.sock'), 'unix:///run/x.sock']] as const;

const accepted19 = [
  ['unix:///run/x.sock', unix('/run/x.sock'), 'unix:///run/x.sock'],
  ['unix:/run/x.sock', unix('/run/x.sock'), 'unix:///run/x.sock'],
  ['unix:////run/x.sock', unix('//run/x.sock'), 'unix:////run/x.sock'],
  ['unix:///run/a%20b.sock', unix('/run/a b.sock'), 'unix:///run/a b.sock'],
] as const;

const accepted20 = [
  ['tcp://127.0.0.1:8000', tcp('127.0.0.1', 8000), 'ipv4:127.0.0.1:8000'],
  ['tcp://1.2.3.4:5', tcp('1.2.3.4', 5), 'ipv4:1.2.3.4:5'],
  ['tcp://[::1]:8000', tcp('::1', 8000), 'ipv6:[::1]:8000'],
] as const;

const refused18 = [
  ['', 'begins with unix: or tcp:'],
  ['blah', 'begins with unix: or tcp:'],
  ['/run/x.sock', 'begins with unix: or tcp:'],
  ['http://127.0.0.1:8000', 'begins with unix: or tcp:'],
  ['npipe:pipeName', 'begins with unix: or tcp:'],
  ['constructor:x', 'begins with unix: or tcp:'],
  ['\u0001unix:///x', 'begins with unix: or tcp:'],
] as const;

const refused19 = [
  ['unix:foo', 'names an absolute path'],
  ['unix:opaque', 'names an absolute path'],
  ['unix://', 'names an absolute path'],
  ['unix:///', 'names an absolute path'],
  ['unix://foo', 'has no authority'],
  ['unix://foo/bar', 'has no authority'],
  ['unix://foo?whatever', 'has no query'],
  ['unix:///x.sock?', 'has no query'],
  ['unix://foo#whatever', 'has no fragment'],
  ['unix:///x.sock#', 'has no fragment'],
  ['unix://john:doe@foo/path', 'has no authority'],
  ['unix:///run/\u0001.sock', 'names an absolute path'],
  ['unix:///run/a b.sock', 'names an absolute path'],
  ['unix:///run/%zz.sock', 'names an absolute path'],
  ['unix:///run/%00.sock', 'without a NUL'],
  ['unix:///run/%ff.sock', 'in UTF-8'],
] as const;

const refused20 = [
  ['tcp:opaque', 'has no path'],
  ['tcp:foo', 'has no path'],
  ['tcp://', 'names an IP address and a port'],
  ['tcp://1.2.3.4:5?whatever', 'has no query'],
  ['tcp://1.2.3.4:5#whatever', 'has no fragment'],
  ['tcp://john:doe@1.2.3.4:5/path', 'has no path'],
  ['tcp://john:doe@1.2.3.4:5', 'names an IP address and a port'],
  ['tcp://1.2.3.4:5/path', 'has no path'],
  ['tcp://127.0.0.1:8000/foo', 'has no path'],
  ['tcp://127.0.0.1:8000/', 'has no path'],
  ['tcp://foo', 'names an IP address and a port'],
  ['tcp://localhost:8000', 'names an IP address and a port'],
  ['tcp://1.2.3.4', 'names an IP address and a port'],
  ['tcp://1.2.3.4:', 'names an IP address and a port'],
  ['tcp://1.2.3:5', 'names an IP address and a port'],
  ['tcp://::1:8000', 'names an IP address and a port'],
  ['tcp://[1.2.3.4]:5', 'names an IP address and a port'],
  ['tcp://1.2.3.4:0', 'names a port from 1 to 65535'],
  ['tcp://1.2.3.4:65536', 'names a port from 1 to 65535'],
] as const;

const takes = (address: string, endpoint: object, target: string): void => {
  expect(parseEndpoint(address)).toEqual(endpoint);
  expect(grpcTarget(parseEndpoint(address))).toBe(target);
};

const refuses = (address: string, rule: string): void => {
  const message = expect.stringContaining(rule);
  expect(() => parseEndpoint(address)).toThrow(expect.objectContaining({ code: 'invalid-argument', message }));
};

describe('the address of a Workload API', () => {
  it.each(accepted18)('EP-18 takes %s', takes);
  it.each(refused18)('EP-18 refuses %j, which is of another scheme', refuses);
  it.each(accepted19)('EP-19 takes %s', takes);
  it.each(refused19)('EP-19 refuses %j, which is not a bare absolute path', refuses);
  it.each(accepted20)('EP-20 takes %s', takes);
  it.each(refused20)('EP-20 refuses %j, which is not a bare IP address and port', refuses);

  it('repeats no password that somebody put into an address', () => {
    expect(() => parseEndpoint('tcp://john:doe@1.2.3.4:5')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('doe') }),
    );
  });

  it('EP-17 comes from SPIFFE_ENDPOINT_SOCKET unless given, and what is given wins', () => {
    vi.stubEnv('SPIFFE_ENDPOINT_SOCKET', 'unix:///run/from-environment.sock');
    expect(findEndpoint(undefined)).toEqual(unix('/run/from-environment.sock'));
    expect(findEndpoint('unix:///run/given.sock')).toEqual(unix('/run/given.sock'));
    vi.stubEnv('SPIFFE_ENDPOINT_SOCKET', '');
    expect(() => findEndpoint(undefined)).toThrow(
      expect.objectContaining({
        code: 'invalid-argument',
        message: expect.stringContaining('set SPIFFE_ENDPOINT_SOCKET'),
      }),
    );
    vi.unstubAllEnvs();
  });
});

describe('the directory of the socket', () => {
  it('SE-26 is warned of when others can write to it or to one above it', async () => {
    const home = await mkdtemp(join(tmpdir(), 'endpoint-'));
    const directory = join(home, 'run');
    const address = `unix://${directory}/x.sock`;
    await mkdir(directory, { mode: 0o755 });
    expect(await endpointWarnings(address)).toEqual([]);
    await chmod(directory, 0o1777);
    expect(await endpointWarnings(address)).toEqual([expect.stringContaining(`${directory} is writable by others`)]);
    await chmod(directory, 0o755);
    await chmod(home, 0o770);
    expect(await endpointWarnings(address)).toEqual([expect.stringContaining(`${home} is writable by others`)]);
    await rm(home, { recursive: true });
  });

  it('SE-26 has nothing to say about TCP', async () => {
    expect(await endpointWarnings('tcp://127.0.0.1:8000')).toEqual([]);
  });
});
