import { describe, expect, it } from 'vitest';
import { isPermitted } from './addresses.ts';

describe('R-NET-3 an outbound request', () => {
  it.each(['8.8.8.8', '100.128.0.1', '172.32.0.1', '192.169.0.1', '2606:4700::1111', '2a00:1450:4001::1'])(
    'may go to %s, which is public',
    (address) => expect([isPermitted(address, false), isPermitted(address, true)]).toEqual([true, true]),
  );

  it.each(['127.0.0.1', '127.9.9.9', '10.1.2.3', '100.64.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1'])(
    'may go to %s only where the operator lets it inside',
    (address) => expect([isPermitted(address, false), isPermitted(address, true)]).toEqual([false, true]),
  );

  it.each(['::1', 'fc00::1', 'fd12:3456::1'])('may go to %s only where the operator lets it inside', (address) =>
    expect([isPermitted(address, false), isPermitted(address, true)]).toEqual([false, true]),
  );

  it.each([
    ['169.254.169.254', 'the metadata of clouds'],
    ['169.254.170.2', 'the credentials of containers'],
    ['fd00:ec2::254', 'the metadata of a cloud, over IPv6'],
    ['fe80::1', 'the link'],
    ['0.0.0.0', 'this host under another name'],
    ['0.1.2.3', 'this network'],
    ['::', 'this host under another name'],
    ['::ffff:127.0.0.1', 'IPv4 in disguise'],
    ['::ffff:169.254.169.254', 'IPv4 in disguise'],
    ['64:ff9b::a9fe:a9fe', 'IPv4 behind a translator'],
    ['2002:7f00:1::', 'IPv4 in a tunnel'],
    ['224.0.0.1', 'many'],
    ['255.255.255.255', 'everybody'],
    ['ff02::1', 'many'],
    ['fec0::1', 'a site, as it was once meant'],
  ])('never goes to %s: %s', (address) =>
    expect([isPermitted(address, false), isPermitted(address, true)]).toEqual([false, false]),
  );
});
