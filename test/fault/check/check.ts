/**
 * The judge: a program of its own that shares nothing with mayfly. It reads what is on the disk once the issuer has
 * ended, and what workloads and the operator wrote down, and says which invariants do not hold.
 *
 *   node check.ts SCENE DISK
 */
import { checkBundles, checkSuccession } from './bundles.ts';
import { checkCredentials } from './credentials.ts';
import { type Evidence, gather } from './files.ts';
import { readLedger } from './ledger.ts';
import { checkRegistry } from './registry.ts';
import { Findings } from './report.ts';
import { checkSecrets } from './secrets.ts';

const [directory = '.', disk = directory] = process.argv.slice(2);
const findings = new Findings();
const evidence = gather(directory, disk);
const records = readLedger(evidence, findings);
checkRegistry(evidence, findings);
checkCredentials(evidence, records, findings);
checkBundles(evidence, findings);
checkSuccession(records, findings);
checkSecrets(evidence, findings);
checkStarts(evidence);
checkAnswers(evidence);
process.stdout.write(JSON.stringify(findings.report()));

/** I11 */
function checkStarts({ history }: Evidence): void {
  for (const event of history) {
    if (event.t !== 'ready') continue;
    const { tookMs, waitedMs } = event;
    findings.must(tookMs - waitedMs <= 3_000, 'I11', () => `it took ${Math.round(tookMs)} ms until it served`);
  }
}

/** I12: a workload hears that it is owed nothing, or that it should come again; never that mayfly does not know. */
function checkAnswers({ captures }: Evidence): void {
  for (const capture of captures) {
    if (capture.kind !== 'status') continue;
    findings.must(
      !['2', '13', '15'].includes(capture.code),
      'I12',
      () => `${capture.method} ended with status ${capture.code}`,
    );
  }
}
