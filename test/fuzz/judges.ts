/** Strangers who are asked the same as we are: Wycheproof, Go's crypto/x509 and go-spiffe, OpenSSL and GnuTLS. */
import { compareBundles } from './differential/bundles.ts';
import { compareBrokenChains, compareChains } from './differential/chains.ts';
import type { Comparison } from './differential/comparison.ts';
import { buildJudge } from './differential/go-judge.ts';
import { compareIds } from './differential/ids.ts';
import { compareBrokenTokens, compareTokens } from './differential/tokens.ts';
import { judge, type Verdicts } from './wycheproof/judge.ts';
import { Vectors } from './wycheproof/vectors.ts';

export type Print = (line: string) => void;

/** How much is asked: in the gate some seconds' worth, in `make fuzz` more. */
export interface Amounts {
  readonly ids: number;
  /** Of chains, tokens and bundles each. */
  readonly broken: number;
  readonly seed: number;
}

/** One line of the table at the end. */
export interface Row {
  readonly what: string;
  readonly asked: number;
  /** What must not be. */
  readonly failures: readonly string[];
}

/** A question to all judges at once. */
export interface Judgement {
  readonly title: string;
  judge(print: Print): Promise<readonly Row[]>;
}

export function judgements({ ids, broken, seed }: Amounts): readonly Judgement[] {
  return [
    {
      title: 'Wycheproof: no verifier of ours takes an invalid signature, and each valid one it refuses has its reason',
      judge: wycheproof,
    },
    {
      title: `go-spiffe refuses none of the SPIFFE IDs that we accept, of ${ids}`,
      judge: compared(() => compareIds(ids, seed)),
    },
    {
      title: 'R-X509-1 Go, go-spiffe, OpenSSL and GnuTLS refuse none of the chains that we accept',
      judge: compared(compareChains),
    },
    { title: `R-X509-1 nor any of ${broken} broken ones`, judge: compared(() => compareBrokenChains(broken, seed)) },
    { title: 'R-JWT-1 go-spiffe refuses none of the tokens that we accept', judge: compared(compareTokens) },
    { title: `R-JWT-1 nor any of ${broken} broken ones`, judge: compared(() => compareBrokenTokens(broken, seed)) },
    {
      title: `go-spiffe believes every authority that we read out of ${broken} broken bundles`,
      judge: compared(() => compareBundles(broken, seed)),
    },
  ];
}

const compared =
  (compare: (print: Print) => Promise<Comparison>): Judgement['judge'] =>
  async (print) => {
    await buildJudge();
    const comparison = await compare(print);
    for (const line of comparison.lines()) print(line);
    return [{ what: comparison.what, asked: comparison.total, failures: comparison.unexplained }];
  };

async function wycheproof(print: Print): Promise<readonly Row[]> {
  const verdicts = judge(await Vectors.download());
  const classes = new Map<string, number>();
  for (const { refusedExplained } of verdicts)
    for (const [why, count] of refusedExplained) classes.set(why, (classes.get(why) ?? 0) + count);
  const sum = (of: (one: Verdicts) => number): number => verdicts.reduce((total, one) => total + of(one), 0);
  print(
    `Wycheproof: ${sum(({ judgements }) => judgements).toLocaleString('en')} judgements on ${verdicts.length} sets; ` +
      `invalid and accepted ${sum(({ acceptedInvalid }) => acceptedInvalid.length)}, ` +
      `valid and refused without a reason ${sum(({ refusedUnexplained }) => refusedUnexplained.length)}`,
  );
  for (const [why, count] of classes) print(`      ${String(count).padStart(7)}  valid, and refused: ${why}`);
  return families.map(([what, prefix]) =>
    rowOf(
      `Wycheproof: ${what}`,
      verdicts.filter(({ name }) => name.startsWith(prefix)),
    ),
  );
}

const families = [
  ['ECDSA', 'ecdsa'],
  ['Ed25519', 'ed25519'],
  ['RSA PKCS#1 and PSS', 'rsa'],
  ['JWS and JWK', 'json_web'],
] as const;

const rowOf = (what: string, verdicts: readonly Verdicts[]): Row => ({
  what,
  asked: verdicts.reduce((sum, { judgements }) => sum + judgements, 0),
  failures: verdicts.flatMap(({ acceptedInvalid, refusedUnexplained }) => [
    ...acceptedInvalid.map((one) => `accepted: ${one}`),
    ...refusedUnexplained,
  ]),
});
