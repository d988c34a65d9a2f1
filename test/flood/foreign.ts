/** A load generator that is not ours: h2load of nghttp2, where it is installed (apt install nghttp2-client). */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { frame } from '../integration/raw-http2.ts';
import { encodeJwtSvidRequest } from '../integration/wire.ts';
import type { ForeignAttack } from './attacks.ts';
import { type Counts, newCounts } from './hostile.ts';

export const hasH2load = (): boolean => spawnSync('h2load', ['--version']).status === 0;

export interface ForeignOrder {
  readonly attack: ForeignAttack;
  readonly socket: string;
  readonly uid: number;
  readonly ms: number;
  readonly niceness: number;
}

/** FetchJWTSVID for as long as was ordered. */
export async function h2load({ attack, socket, uid, ms, niceness }: ForeignOrder): Promise<Counts> {
  const body = join(dirname(socket), 'request');
  writeFileSync(body, frame(encodeJwtSvidRequest(['reports'])), { mode: 0o644 });
  const fields = [':method: POST', 'content-type: application/grpc', 'te: trailers', 'workload.spiffe.io: true'];
  const given = [
    ...attack.h2load,
    ...['-c', String(attack.connections), '-D', String(Math.max(1, Math.round(ms / 1000))), '-d', body],
    ...fields.flatMap((field) => ['-H', field]),
    ...['--base-uri', `unix:${socket}`, 'http://localhost/SpiffeWorkloadAPI/FetchJWTSVID'],
  ];
  const program = spawn('nice', ['-n', String(niceness), 'h2load', ...given], {
    uid,
    gid: uid,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output] = await Promise.all([text(program.stdout), once(program, 'exit')]);
  const [, done, failed] = /(\d+) succeeded, (\d+) failed/.exec(output) ?? [];
  return { ...newCounts(), connections: attack.connections, ended: Number(done ?? 0), failed: Number(failed ?? 0) };
}
