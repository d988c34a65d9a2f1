/** JWT-SVIDs before us and go-spiffe: those of the table, and some thousands broken by chance and signed again. */
import { IdentityError } from '../../../src/errors.ts';
import { parseJwks } from '../../../src/spiffe/bundle.ts';
import { TrustDomain } from '../../../src/spiffe/id.ts';
import { verifyJwtSvid } from '../../../src/spiffe/jwt-svid.ts';
import { mutate } from '../engine/mutate.ts';
import { randomOf } from '../engine/random.ts';
import { Comparison } from './comparison.ts';
import { ask } from './go-judge.ts';
import { audience, keySet, resigned, seeds, type TokenCase, tokenCases, trustDomain } from './token-cases.ts';

const own = TrustDomain.parse(trustDomain);
const authorities = parseJwks(own, keySet);

export const compareTokens = (): Promise<Comparison> => compare('tokens of the table', tokenCases);

export function compareBrokenTokens(count: number, seed: number): Promise<Comparison> {
  const random = randomOf(seed);
  const tokens = Array.from({ length: count }, (): TokenCase => {
    // As text, so that both sides see the same characters.
    const text = mutate(seeds, random, { shape: 'token' }, 1).toString('utf8');
    const token = random(4) === 0 ? text : resigned(text);
    return { name: token.slice(0, 300), token };
  });
  return compare('tokens broken by chance', tokens);
}

async function compare(what: string, tokens: readonly TokenCase[]): Promise<Comparison> {
  const comparison = new Comparison(what);
  const keys = Buffer.from(keySet);
  const answers = await ask(
    tokens.map(({ token }) => ({ kind: 'token', bytes: Buffer.from(token), trustDomain, keys, audience })),
  );
  for (const [index, { name, token }] of tokens.entries()) {
    const theirs = answers[index]?.refusals['go-spiffe'] || undefined;
    const { refusal, id } = ourVerdict(token);
    comparison.note(name, { ours: refusal, theirs: { 'go-spiffe': theirs } });
    if (refusal === undefined && theirs === undefined && id !== answers[index]?.names)
      comparison.unexplained.push(`${name}: we read ${id}, go-spiffe ${answers[index]?.names}`);
  }
  return comparison;
}

export function ourVerdict(token: string): { readonly refusal?: string; readonly id?: string } {
  try {
    return { id: verifyJwtSvid(token, audience, (name) => (name === own ? authorities : undefined), Date.now()).id };
  } catch (error) {
    if (error instanceof IdentityError) return { refusal: error.reason ?? error.message };
    throw error;
  }
}
