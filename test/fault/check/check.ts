/**
 * The judge: a program of its own that shares nothing with mayfly. It reads what is on the disk once the issuer has
 * ended (ledger, database file, keys, log), and what workloads and the operator wrote down, and says which invariants do
 * not hold. docs/faults.md says which of these functions stands for which.
 *
 *   node check.ts SCENE [DISK]
 */
import { checkSequence, checkSuccession, checkTrust } from './bundles.ts';
import { checkEntitled } from './entitled.ts';
import { gather } from './files.ts';
import { checkIssued, issuedByName } from './issued.ts';
import { readLedger } from './ledger.ts';
import { checkAnswers, checkHealth, checkRecovery, checkStarts, checkStreams } from './liveness.ts';
import { checkRegistry } from './registry.ts';
import { Findings } from './report.ts';
import { checkRevoked } from './revoked.ts';
import { checkSecrets } from './secrets.ts';
import { tokens } from './tokens.ts';
import { checkWithdrawn } from './withdrawn.ts';
import { x509Svids } from './x509.ts';

const [directory = '.', disk = `${directory}/disk`] = process.argv.slice(2);
const findings = new Findings();
const evidence = gather(directory, disk);
const records = readLedger(evidence, findings);
const issued = issuedByName(records, findings);
const credentials = [...x509Svids(evidence, findings), ...tokens(evidence, findings)];
checkIssued(credentials, { issued, records, evidence }, findings);
checkEntitled(credentials, { issued, records, evidence }, findings);
checkWithdrawn(evidence, findings);
checkRevoked(evidence, issued, findings);
checkSequence(evidence, findings);
checkTrust(evidence, credentials, findings);
checkSuccession(records, evidence, findings);
checkRegistry(evidence, findings);
checkSecrets(evidence, findings);
checkStarts(evidence, findings);
checkRecovery(evidence, findings);
checkStreams(evidence, findings);
checkAnswers(evidence, findings);
checkHealth(evidence, findings);
process.stdout.write(JSON.stringify(findings.report()));
