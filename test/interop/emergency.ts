/**
 * The authority that signs is revoked at once, and nobody was prepared: what it signed is good for nothing from that moment
 * on. Handshakes may fail until both ends have been signed anew, and for two seconds at most.
 *
 *   node test/interop/emergency.ts      by itself; part of the interop run otherwise
 */
import { setTimeout as pause } from 'node:timers/promises';
import { type Mayfly, startMayfly } from '../integration/fixture.ts';
import { check, conclude, holds, print } from './checks.ts';
import { any, Server } from './echo-server.ts';
import { nodeFor, register, trustDomain, users } from './stage.ts';
import { buildGo, goProgram, sdkEcho } from './tools.ts';

const seconds = 13;
const patienceMs = (seconds + 60) * 1000;
/** From the operator's word to the last handshake that failed. */
const recoveryMs = 2_000;
/** So that what fails is known to be of the order before. */
const betweenMs = 3_000;
const leastOrders = 3;

export async function emergency(): Promise<void> {
  await using mayfly = await startMayfly({ trustDomain, flags: ['--log-level', 'error'] });
  await register(mayfly);
  await check(
    `XR-11 handshakes are good again ${recoveryMs / 1000} s after the signer was revoked unprepared`,
    async () => {
      using goServer = new Server(mayfly, goProgram('spiffe'), ['echo-server', any, trustDomain], users.goServer);
      const asNodeServer = [sdkEcho, `${users.nodeServer}`, 'server', any, trustDomain];
      using nodeServer = new Server(mayfly, process.execPath, asNodeServer);
      const clients = [await goServer.listening, await nodeServer.listening].map((address) =>
        nodeFor(patienceMs, mayfly, users.nodeClient, 'persistent', address, trustDomain, `${seconds}`),
      );
      const over = Promise.allSettled(clients);
      const ordered = await revokeUntil(over, mayfly);
      const seen = (await Promise.all(clients)).map(([line]) => line as unknown as Persistent);
      const failed = seen.flatMap((one) => one.failedAt);
      const worst = Math.max(0, ...failed.map((at) => at - Math.max(0, ...ordered.filter((order) => order <= at))));
      const handshakes = seen.reduce((sum, one) => sum + one.handshakes, 0);
      const said = `${handshakes} handshakes and ${failed.length} that failed, through ${ordered.length} revocations; the last ${worst} ms after its order`;
      print(`        ${said}`);
      holds(
        `${leastOrders} orders, and handshakes all the time: ${said}`,
        ordered.length >= leastOrders && handshakes > 100,
      );
      holds(`recovery within ${recoveryMs} ms: ${said}`, worst <= recoveryMs);
    },
  );
}

interface Persistent {
  readonly handshakes: number;
  /** Milliseconds since the epoch. */
  readonly failedAt: readonly number[];
}

/** @returns when each was ordered */
async function revokeUntil(over: Promise<unknown>, { operator }: Mayfly): Promise<readonly number[]> {
  const ordered: number[] = [];
  const ended = over.then(() => true);
  while (!(await Promise.race([ended, pause(betweenMs).then(() => false)]))) {
    const signer = (await operator.authorities()).find(({ kind, state }) => kind === 'x509' && state === 'active');
    ordered.push(Date.now());
    const force = ['active', 'unpublished', 'unexpired'];
    await operator.order({ verb: 'revoke', kind: 'x509', id: signer?.id ?? '', force });
  }
  return ordered;
}

if (import.meta.main) {
  await buildGo();
  await emergency();
  process.exit(conclude());
}
