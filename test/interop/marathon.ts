/**
 * Keys are replaced as fast as operators can order it, under programs that shake hands all the time and are told nothing:
 * not one handshake may fail.
 *
 *   node test/interop/marathon.ts [--seconds 60]      by itself; part of the interop run otherwise
 */
import { parseArgs } from 'node:util';
import { type Mayfly, startMayfly } from '../integration/fixture.ts';
import { check, conclude, holds, print, same } from './checks.ts';
import { any, Server } from './echo-server.ts';
import { goFor, id, type Line, nodeFor, register, trustDomain, users } from './stage.ts';
import { buildGo, goProgram, sdkEcho } from './tools.ts';

const flags = ['--ca-ttl', '60s', '--x509-ttl', '20s', '--log-level', 'error'];
const leastRotations = 30;
const leastPerSecond = 20;

export async function marathon(seconds: number): Promise<void> {
  await using mayfly = await startMayfly({ trustDomain, flags });
  await register(mayfly);
  using goServer = new Server(mayfly, goProgram('spiffe'), ['echo-server', any, trustDomain], users.goServer);
  const asNodeServer = [sdkEcho, `${users.nodeServer}`, 'server', any, trustDomain];
  using nodeServer = new Server(mayfly, process.execPath, asNodeServer);
  const [toGo, toNode] = [await goServer.listening, await nodeServer.listening];
  const lasting = [trustDomain, String(seconds)];
  const patience = (seconds + 60) * 1000;
  const runners = Promise.all([
    goFor(patience, mayfly, users.goClient, 'echo-client', toGo, ...lasting),
    goFor(patience, mayfly, users.goClient, 'echo-client', toNode, ...lasting),
    nodeFor(patience, mayfly, users.nodeClient, 'client', toGo, ...lasting),
    nodeFor(patience, mayfly, users.nodeClient, 'client', toNode, ...lasting),
  ]);
  const over = runners.then(
    () => true,
    () => true,
  );
  await check(
    `XR-11 XR-19 no handshake fails while keys are replaced, tainted and revoked for ${seconds} s`,
    async () => {
      await replaceUntil(over, mayfly);
      const seen = (await runners).map(([line]) => line as Line);
      same('peers', new Set(seen.map((line) => line['peer'])).size, 2);
      const handshakes = seen.reduce((sum, line) => sum + Number(line['handshakes']), 0);
      const activated = (await mayfly.operator.records({ kind: 'authority.activated' })).filter(({ json }) =>
        json.includes('"use":"x509"'),
      );
      const said = `${handshakes} handshakes through ${activated.length} rotations, 0 failed`;
      print(`        ${said}`);
      holds(`${leastPerSecond} handshakes each second: ${said}`, handshakes >= leastPerSecond * seconds);
      holds(`${leastRotations} rotations: ${said}`, activated.length >= leastRotations);
      same('peer', seen[0]?.['seenAs'], id('go-client'));
    },
  );
  await check('the ledger has all of it, and verifies', async () => {
    same('ledger', (await mayfly.operator.verifyLedger()).problem, '');
  });
}

/** Every third successor replaces one that is then revoked, at once and whole. */
async function replaceUntil(over: Promise<boolean>, mayfly: Mayfly): Promise<void> {
  let done = false;
  void over.then(() => {
    done = true;
  });
  for (let round = 0; !done; round++) {
    await order(mayfly, 'rotate', 'x509', '--force-unpublished');
    if (round % 3 === 2) await order(mayfly, 'revoke', 'x509', '--id', await oldest(mayfly), '--force-unexpired');
  }
}

async function oldest(mayfly: Mayfly): Promise<string> {
  const { stdout } = await mayfly.command('authority', 'list', '--json');
  const { authorities } = JSON.parse(stdout) as { authorities: { kind: string; state: string; id: string }[] };
  return authorities.find(({ kind, state }) => kind === 'x509' && state === 'old')?.id ?? '';
}

async function order(mayfly: Mayfly, ...words: string[]): Promise<void> {
  const { status, stderr } = await mayfly.command('authority', ...words, '--json');
  if (status !== 0) throw new Error(`mayfly authority ${words.join(' ')}: ${stderr.trim()}`);
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } });
  await buildGo();
  await marathon(Number(values.seconds));
  process.exit(conclude());
}
