/** Certificate chains before us, Go, go-spiffe, OpenSSL and GnuTLS. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IdentityError } from '../../../src/errors.ts';
import { TrustDomain } from '../../../src/spiffe/id.ts';
import { verifyX509Svid } from '../../../src/spiffe/x509-svid.ts';
import { encodePem } from '../../../src/x509/pem.ts';
import { mutate } from '../engine/mutate.ts';
import { randomOf } from '../engine/random.ts';
import { signedBy } from '../forge.ts';
import { type ChainCase, chainCases, now, trustDomain } from './chain-cases.ts';
import { leafBelowMiddle, plainRoot, tbsSeeds } from './chain-seeds.ts';
import { Comparison, type Verdict } from './comparison.ts';
import { ask } from './go-judge.ts';

const own = TrustDomain.parse(trustDomain);

export function ourRefusal({ chain, roots, at }: ChainCase): string | undefined {
  try {
    verifyX509Svid(chain, (name) => (name === own ? roots : undefined), at);
    return undefined;
  } catch (error) {
    if (error instanceof IdentityError) return error.reason ?? error.message;
    throw error;
  }
}

/** Each chain with what everybody says to it. */
export async function judgeChains(): Promise<readonly (Verdict & { readonly name: string })[]> {
  const questions = chainCases.map((one) => ({ kind: 'chain', trustDomain, ...one }) as const);
  const answers = await ask(questions);
  const directory = mkdtempSync(join(tmpdir(), 'chains-'));
  try {
    const verdicts = [];
    for (const [index, one] of chainCases.entries()) {
      const go = Object.entries(answers[index]?.refusals ?? {}).map(([judge, why]) => [judge, why || undefined]);
      const tls = await gnutls(one, directory);
      const others = { openssl: await openssl(one, directory), ...(tls === null ? {} : { gnutls: tls }) };
      verdicts.push({ name: one.name, ours: ourRefusal(one), theirs: { ...Object.fromEntries(go), ...others } });
    }
    return verdicts;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export async function compareChains(print: (line: string) => void): Promise<Comparison> {
  const comparison = new Comparison('home-made chains');
  const judges = ['go x509', 'go-spiffe', 'openssl', 'gnutls'];
  print(`${'chain'.padEnd(58)} ours  ${judges.join('  ')}`);
  for (const { name, ours, theirs } of await judgeChains()) {
    comparison.note(name, { ours, theirs }, (judge) => explanations[`${name} / ${judge}`]);
    const marks = judges.map((judge) =>
      (!(judge in theirs) ? '' : theirs[judge] === undefined ? 'yes' : '-').padEnd(judge.length),
    );
    print(
      `${name.slice(0, 58).padEnd(58)} ${(ours === undefined ? 'yes' : '-').padEnd(4)}  ${marks.join('  ')}  ${ours ?? ''}`,
    );
  }
  return comparison;
}

/** Certificates broken by chance and signed again, as a leaf below the root or as a CA above a good leaf. */
export async function compareBrokenChains(count: number, seed: number): Promise<Comparison> {
  const comparison = new Comparison('certificates broken by chance');
  const random = randomOf(seed);
  const chains = Array.from({ length: count }, (_, index): ChainCase => {
    const made = signedBy('root', mutate(tbsSeeds, random, { shape: 'der' }, 1));
    const chain = random(3) === 0 ? [leafBelowMiddle, made] : [made];
    return { name: `${index} ${made.toString('hex')}`, chain, roots: [plainRoot], at: now };
  });
  const answers = await ask(chains.map((one) => ({ kind: 'chain', trustDomain, ...one }) as const));
  for (const [index, one] of chains.entries()) {
    const theirs = Object.entries(answers[index]?.refusals ?? {}).map(([judge, why]) => [judge, why || undefined]);
    comparison.note(one.name, { ours: ourRefusal(one), theirs: Object.fromEntries(theirs) });
  }
  return comparison;
}

/** Where only we accept: the case, the judge, and why it is right. */
const explanations: Readonly<Record<string, string>> = {
  'two roots of one name / openssl': 'OpenSSL tries only the first of two roots with one name and no key identifier',
  'a leaf when it ends / openssl': 'notAfter is inclusive (RFC 5280 section 4.1.2.5); OpenSSL ends a second earlier',
  'another host is excluded / gnutls': 'GnuTLS does not compare URIs and refuses wherever some are excluded',
  'DNS names are permitted, there is none / gnutls': 'GnuTLS takes the common name for a DNS name',
};

const pem = (certificates: readonly Buffer[]): string =>
  certificates.map((der) => encodePem('CERTIFICATE', der)).join('');

async function openssl({ chain, roots, at }: ChainCase, directory: string): Promise<string | undefined> {
  const [leaf, ...others] = chain;
  if (leaf === undefined || roots.length === 0) return 'nothing to verify';
  const files = {
    leaf: join(directory, 'leaf.pem'),
    roots: join(directory, 'roots.pem'),
    others: join(directory, 'others.pem'),
  };
  writeFileSync(files.leaf, pem([leaf]));
  writeFileSync(files.roots, pem(roots));
  writeFileSync(files.others, pem(others));
  const untrusted = others.length === 0 ? [] : ['-untrusted', files.others];
  const time = ['-attime', String(Math.floor(at / 1000))];
  const trust = ['-partial_chain', '-no-CApath', '-no-CAstore', '-CAfile', files.roots];
  return outcome('openssl', ['verify', ...time, ...trust, ...untrusted, files.leaf]);
}

/** certtool knows no other moment than the present one, so it is only asked where that does not matter. */
async function gnutls({ chain, roots, at }: ChainCase, directory: string): Promise<string | undefined | null> {
  if (at !== now) return null;
  if (chain.length === 0 || roots.length === 0) return 'nothing to verify';
  const files = { chain: join(directory, 'chain.pem'), roots: join(directory, 'roots.pem') };
  writeFileSync(files.chain, pem(chain));
  writeFileSync(files.roots, pem(roots));
  return outcome('certtool', ['--verify', '--load-ca-certificate', files.roots, '--infile', files.chain]);
}

function outcome(program: string, parameters: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    execFile(program, parameters, { timeout: 20_000, env: { ...process.env, TZ: 'UTC' } }, (error, stdout, stderr) => {
      if (error === null) return resolve(undefined);
      if (typeof error.code !== 'number') return reject(error);
      const said = `${stderr}\n${stdout}`.split('\n').filter((line) => /error|not|fail|unknown|invalid/i.test(line));
      resolve((said.join(' | ') || `${stderr}${stdout}`).trim().slice(0, 200));
    });
  });
}
