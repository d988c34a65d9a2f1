import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

export interface Ports {
  readonly v2: number;
  readonly v1: number;
  readonly gateway: number;
}

/** One of everything, nothing authenticated between them, and nothing written outside of `directory`. */
export function configuration(directory: string, fsid: string, { v2, v1, gateway }: Ports): string {
  const at = (name: string): string => join(directory, name);
  return sections({
    global: {
      fsid,
      'mon host': `[v2:127.0.0.1:${v2},v1:127.0.0.1:${v1}]`,
      'auth cluster required': 'none',
      'auth service required': 'none',
      'auth client required': 'none',
      keyring: at('keyring'),
      // Encryption, which clients ask for by default, does not go with no authentication: they would wait for ever.
      'ms mon client mode': 'crc',
      'public addr': '127.0.0.1',
      'cluster addr': '127.0.0.1',
      'ms bind ipv6': 'false',
      'run dir': directory,
      'admin socket': at('$name.$pid.asok'),
      'log file': at('ceph.log'),
      'mon cluster log file': at('cluster.log'),
      'crash dir': directory,
      'osd pool default size': '1',
      'osd pool default min size': '1',
      'osd pool default pg num': '1',
      'osd pool default pgp num': '1',
      'osd pool default pg autoscale mode': 'off',
      'osd crush chooseleaf type': '0',
      'mon allow pool size one': 'true',
      'mon max pg per osd': '2000',
      'mon data avail crit': '1',
      'mon data avail warn': '2',
    },
    mon: { 'mon data': at('mon') },
    osd: {
      'osd data': at('osd'),
      'osd objectstore': 'memstore',
      'memstore device bytes': String(512 * 1024 * 1024),
      'osd class load list': '*',
      'osd class default list': '*',
    },
    client: {
      // The key of its session tokens: without it every AssumeRole is refused as an invalid argument.
      'rgw sts key': randomBytes(8).toString('hex'),
      'rgw s3 auth use sts': 'true',
      'rgw frontends': `beast endpoint=127.0.0.1:${gateway}`,
      'rgw dns name': 'localhost',
      'rgw data': at('rgw'),
    },
  });
}

const sections = (all: Readonly<Record<string, Readonly<Record<string, string>>>>): string =>
  Object.entries(all)
    .flatMap(([name, settings]) => [
      `[${name}]`,
      ...Object.entries(settings).map(([key, value]) => `${key} = ${value}`),
      '',
    ])
    .join('\n');
