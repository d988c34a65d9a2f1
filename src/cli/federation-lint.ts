import { X509Certificate } from 'node:crypto';
import type { Command } from 'commander';
import { type Evidence, type Found, fetchDocuments, readSample, type SampleToken } from '../cloud/lint/evidence.ts';
import { lint } from '../cloud/lint/lint.ts';
import { type Party, partyNamed, partyNames } from '../cloud/lint/parties.ts';
import type { Finding } from '../cloud/lint/rules.ts';
import { IdentityError } from '../errors.ts';
import { systemClock as clock } from '../runtime/clock.ts';
import { readSharedFile } from '../runtime/files.ts';
import { systemRandom as random } from '../runtime/random.ts';
import { terminal } from '../runtime/terminal.ts';
import { decodePem } from '../x509/pem.ts';
import { adminSocket } from './admin-leaf.ts';
import { asked, endpointFlags } from './endpoint.ts';
import { type Answer, leaf } from './leaf.ts';
import type { DocumentOf } from './shapes.ts';
import * as shapes from './shapes-oidc.ts';
import type { AdminOptions, EndpointOptions } from './sockets.ts';
import { plural, table } from './text.ts';

interface Flags extends EndpointOptions, AdminOptions {
  readonly for: string;
  readonly issuer?: string;
  readonly ca?: string;
  readonly audience?: string;
  readonly token?: string;
  readonly svid?: string;
}

const longestFile = 256 * 1024;

export function lintCommand(command: Command): void {
  endpointFlags(command)
    .requiredOption('--for <parties>', `whom it is for, with commas between: ${partyNames.join(', ')}`)
    .option('--issuer <url>', 'the URL as it is registered there (default: what the running issuer says)')
    .option('--ca <file>', "believe these authorities (PEM) for the issuer's certificate, besides what the public does")
    .option('--audience <aud>', 'for the sample token (default: the one that each party takes)')
    .option('--token <file>', 'a token to judge instead of a sample from the Workload API; - is stdin')
    .option('--svid <file>', 'an X509-SVID to judge, PEM, leaf first, instead of the one that this process is owed')
    .addOption(adminSocket());
  leaf<[], Flags>(command, {
    does: 'find what clouds and others would refuse, before they do, and how to mend it',
    about:
      'Fetches discovery and keys from the issuer URL as they would, takes a sample token and an SVID as a workload ' +
      'does, and judges all of it by the rules of each party. Ends with exit code 6 where a rule is broken.',
    prints: shapes.lint,
    examples: [
      'mayfly federation lint --for aws,gcp,azure,kubernetes',
      'mayfly federation lint --for azure --issuer https://id.example.org --token token.jwt',
    ],
    act: async (_, flags) => answered(await found(flags)),
  });
}

interface Report {
  readonly issuer: string;
  readonly findings: readonly Finding[];
}

async function found(flags: Flags): Promise<Report> {
  const parties = flags.for.split(',').map(partyOf);
  const issuer = flags.issuer ?? (await runningIssuer(flags));
  const ca = flags.ca === undefined ? undefined : readSharedFile(flags.ca, longestFile);
  const signal = AbortSignal.timeout(flags.timeout * 1000);
  const documents = await fetchDocuments({ issuer, ca, clock, random, signal });
  const svid = await svidOf(flags, parties);
  const findings: Finding[] = [];
  for (const party of parties) {
    const token = await tokenOf(flags, party);
    const evidence: Evidence = { issuer, ownRoots: ca !== undefined, now: clock.now(), ...documents, token, svid };
    findings.push(...lint(evidence, party));
  }
  return { issuer, findings };
}

function partyOf(name: string): Party {
  const party = partyNamed(name.trim());
  if (party !== undefined) return party;
  throw new IdentityError('invalid-argument', `--for knows ${partyNames.join(', ')}, and not ${JSON.stringify(name)}`);
}

async function runningIssuer(options: AdminOptions): Promise<string> {
  const { Admin } = await import('./admin.ts');
  using admin = new Admin(options);
  return (await admin.ask(admin.client.getIssuer, {})).issuer;
}

async function tokenOf(flags: Flags, { sample, byCertificate }: Party): Promise<Found<SampleToken>> {
  if (byCertificate === true) return { problem: 'it takes no tokens' };
  const { token, audience = sample } = flags;
  return tried(async () => {
    if (token === '-') return readSample((await terminal.read()).trim());
    if (token !== undefined) return readSample(readSharedFile(token, longestFile).trim());
    const [svid] = await asked(flags, (client, signal) => client.fetchJwtSvids({ audience, signal }));
    return readSample(svid?.token ?? '');
  }, `no sample token for ${audience}`);
}

async function svidOf(flags: Flags, parties: readonly Party[]): Promise<Found<readonly X509Certificate[]>> {
  if (parties.every(({ byCertificate }) => byCertificate !== true)) return { problem: 'nobody wants one' };
  const { svid: file } = flags;
  return tried(async () => {
    if (file !== undefined) return decodePem('CERTIFICATE', readSharedFile(file, longestFile)).map(certificate);
    const { svids } = await asked(flags, (client, signal) => client.fetchX509Context({ signal }));
    return svids[0]?.certificates.map(certificate) ?? [];
  }, 'no X509-SVID');
}

const certificate = (der: Uint8Array): X509Certificate => new X509Certificate(der);

/** What cannot be had is one more thing that nobody knows. */
async function tried<T>(get: () => Promise<T>, what: string): Promise<Found<T>> {
  try {
    return { value: await get() };
  } catch (error) {
    if (error instanceof IdentityError) return { problem: `${what}: ${error.message}` };
    throw error;
  }
}

function answered({ issuer, findings }: Report): Answer {
  const broken = findings.filter(({ state }) => state === 'fails');
  const document: DocumentOf<typeof shapes.lint> = {
    issuer,
    ok: broken.length === 0,
    findings: findings.map(({ party, rule, state, says, fix }) => ({ for: party, rule, state, says, fix })),
  };
  const text = `${summary(findings)}${broken.length === 0 ? '' : `\n${brokenTable(broken)}`}`;
  const warnings = [...new Set(findings.flatMap(({ state, says }) => (state === 'unknown' ? [says] : [])))];
  const told = { document, text, warnings: warnings.map((says) => `not judged: ${says}`) };
  return broken.length === 0 ? told : { ...told, failure: refusedThere(broken) };
}

function summary(findings: readonly Finding[]): string {
  const count = (party: string, state: Finding['state']): number =>
    findings.filter((one) => one.party === party && one.state === state).length;
  return [...new Set(findings.map(({ party }) => party))]
    .map((party) => {
      const [holds, fails, unknown] = [count(party, 'holds'), count(party, 'fails'), count(party, 'unknown')];
      return `${party}: ${plural(holds, 'rule')} kept, ${fails} broken, ${unknown} not judged\n`;
    })
    .join('');
}

const brokenTable = (broken: readonly Finding[]): string =>
  table(
    ['FOR', 'RULE', 'WHAT IS WRONG', 'WHAT TO DO'],
    broken.map(({ party, rule, says, fix }) => [party, rule, says, fix]),
  );

const refusedThere = (broken: readonly Finding[]): IdentityError =>
  new IdentityError('failed-precondition', `${plural(broken.length, 'rule')} would be broken there`);
