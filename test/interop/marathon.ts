/**
 * Keys are replaced as fast as operators can order it, under programs that shake hands all the time and are told nothing:
 * not one handshake may fail.
 *
 *   node test/interop/marathon.ts [--seconds 75]        by itself; part of the interop run otherwise
 *   node test/interop/marathon.ts --rotations 1000      in as many legs as that takes; part of `make soak`
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

/** @param rotations so many are wanted; by default what one leg must bring */
export async function marathon(seconds: number, rotations = 0): Promise<void> {
  await using mayfly = await startMayfly({ trustDomain, flags });
  await register(mayfly);
  let [legs, done, shaken, whole] = [0, 0, 0, true];
  do {
    await check(
      `XR-11 XR-19 no handshake fails while keys are replaced, tainted and revoked for ${seconds} s`,
      async () => {
        whole = false;
        const handshakes = await leg(mayfly, seconds);
        const replaced = (await activations(mayfly)) - done;
        const said = `${handshakes} handshakes through ${replaced} rotations, 0 failed`;
        [legs, done, shaken] = [legs + 1, done + replaced, shaken + handshakes];
        print(`        ${said}`);
        holds(`${leastPerSecond} handshakes each second: ${said}`, handshakes >= leastPerSecond * seconds);
        if (rotations === 0) holds(`${leastRotations} rotations: ${said}`, replaced >= leastRotations);
        whole = true;
      },
    );
  } while (whole && done < rotations);
  if (rotations > 0) {
    await check(`XR-11 ${rotations} rotations`, () => {
      print(`        ${shaken} handshakes through ${done} rotations in ${legs} legs of ${seconds} s`);
      holds(`${done} of ${rotations}`, done >= rotations);
    });
  }
  await check('the ledger has all of it, and verifies', async () => {
    same('ledger', (await mayfly.operator.verifyLedger()).problem, '');
  });
}

/** Two servers and four programs that shake hands with them for so long, while keys are replaced. @returns how often */
async function leg(mayfly: Mayfly, seconds: number): Promise<number> {
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
  await replaceUntil(over, mayfly);
  const seen = (await runners).map(([line]) => line as Line);
  same('peers', new Set(seen.map((line) => line['peer'])).size, 2);
  same('peer', seen[0]?.['seenAs'], id('go-client'));
  return seen.reduce((sum, line) => sum + Number(line['handshakes']), 0);
}

const activations = async (mayfly: Mayfly): Promise<number> =>
  (await mayfly.operator.records({ kind: 'authority.activated' })).filter(({ json }) => json.includes('"use":"x509"'))
    .length;

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

interface Listed {
  readonly kind: string;
  readonly state: string;
  readonly id: string;
  readonly expiresAt: string;
}

/** Of those that signed and have not ended: what has ended goes by itself at any moment. */
async function oldest(mayfly: Mayfly): Promise<string> {
  const { stdout } = await mayfly.command('authority', 'list', '--json');
  const { authorities } = JSON.parse(stdout) as { authorities: readonly Listed[] };
  const old = authorities.filter(({ kind, state }) => kind === 'x509' && state === 'old');
  return old.find(({ expiresAt }) => Date.parse(expiresAt) > Date.now())?.id ?? '';
}

async function order(mayfly: Mayfly, ...words: string[]): Promise<void> {
  const { status, stderr } = await mayfly.command('authority', ...words, '--json');
  if (status !== 0) throw new Error(`mayfly authority ${words.join(' ')}: ${stderr.trim()}`);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { seconds: { type: 'string', default: '75' }, rotations: { type: 'string', default: '0' } },
  });
  await buildGo();
  await marathon(Number(values.seconds), Number(values.rotations));
  process.exit(conclude());
}
