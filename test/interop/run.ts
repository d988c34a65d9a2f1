/**
 * Strangers as judges: unmodified programs and libraries of other people against a real `./mayfly up`, each as a process
 * under a user of its own. Needs root, Go, Python, openssl, curl, certtool, strace, Ceph, PostgreSQL and Apache; what is missing counts as failed, not skipped.
 *
 *   node test/interop/run.ts
 */
import { startMayfly } from '../integration/fixture.ts';
import { check, conclude, print } from './checks.ts';
import { emergency } from './emergency.ts';
import { federated } from './federated.ts';
import { handshakes, opensslHandshake, otherServer } from './handshakes.ts';
import { marathon } from './marathon.ts';
import { relyingParties } from './relying-parties.ts';
import { afterRestart } from './restart.ts';
import { flags, register, trustDomain } from './stage.ts';
import { buildGo, buildPython } from './tools.ts';
import { ceph } from './with-ceph.ts';
import { fetchedFiles } from './with-files.ts';
import { genericGrpc } from './with-generic-grpc.ts';
import { goOidc } from './with-go-oidc.ts';
import { goRotation, goSpiffe } from './with-go-spiffe.ts';
import { verdicts } from './with-judges.ts';
import { pyRotation, pySpiffe } from './with-py-spiffe.ts';
import { systemCalls } from './with-strace.ts';

/** Some two rotations a second are ordered; thirty are wanted. */
const marathonSeconds = 75;

await Promise.all([
  check('the judges in Go are built', buildGo),
  check('the judge in Python is installed', buildPython),
]);

try {
  await using mayfly = await startMayfly({ trustDomain, flags });
  await check('an operator registers everybody with the command line', () => register(mayfly));
  await Promise.all([handshakes(mayfly), goRotation(mayfly), pyRotation(mayfly), judgements(), federated(), goOidc()]);
  await afterRestart(mayfly);
  await marathon(marathonSeconds);
  await emergency();

  async function judgements(): Promise<void> {
    await genericGrpc(mayfly);
    await goSpiffe(mayfly);
    await pySpiffe(mayfly);
    await fetchedFiles(mayfly);
    await opensslHandshake(mayfly);
    await otherServer(mayfly);
  }
} catch (error) {
  await check('the issuer starts and stops', () => Promise.reject(error));
  print(error instanceof Error ? (error.stack ?? '') : '');
}
await ceph();
await systemCalls();
await relyingParties();
await verdicts();
process.exit(conclude());
