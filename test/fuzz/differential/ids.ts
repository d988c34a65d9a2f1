/** SPIFFE IDs and trust domain names: our parser and go-spiffe's, byte for byte. */
import { IdentityError } from '../../../src/errors.ts';
import { SpiffeId, TrustDomain } from '../../../src/spiffe/id.ts';
import { pick, type Random, randomOf } from '../engine/random.ts';
import { Comparison } from './comparison.ts';
import { ask, type Question } from './go-judge.ts';

export async function compareIds(count: number, seed: number): Promise<Comparison> {
  const comparison = new Comparison('SPIFFE IDs and trust domains');
  const random = randomOf(seed);
  const questions = Array.from({ length: count }, (): Question & { bytes: Buffer } => {
    const kind = random(4) === 0 ? 'trust-domain' : 'id';
    return { kind, bytes: Buffer.from(kind === 'id' ? someId(random) : someName(random)) };
  });
  const answers = await ask(questions);
  for (const [index, { kind, bytes }] of questions.entries()) {
    const text = bytes.toString('utf8');
    const theirs = answers[index]?.refusals['go-spiffe'] || undefined;
    const named = answers[index]?.names;
    comparison.note(JSON.stringify(text.slice(0, 200)), {
      ours: ourRefusal(kind, text),
      theirs: { 'go-spiffe': theirs },
    });
    // Two parsers that accept the same text and read another name out of it are worse than one that refuses.
    if (theirs === undefined && ourRefusal(kind, text) === undefined && named !== text)
      comparison.unexplained.push(`${JSON.stringify(text)}: go-spiffe reads ${named}`);
  }
  return comparison;
}

function ourRefusal(kind: Question['kind'], text: string): string | undefined {
  try {
    if (kind === 'id') SpiffeId.parse(text);
    else TrustDomain.parse(text);
    return undefined;
  } catch (error) {
    if (error instanceof IdentityError) return error.message;
    throw error;
  }
}

const letters = [...'abcxyzAZ019._-'];
const odd = [
  ...['/', '//', '/./', '/../', '.', '..', '...', ':', ':443', '@', '?', '#', '%', '%2e', '%2F', '%00', '\\', '\u0000'],
  ...[
    '\t',
    '\n',
    ' ',
    '+',
    '~',
    '*',
    '!',
    '$',
    '&',
    "'",
    '(',
    ')',
    ',',
    ';',
    '=',
    '[',
    ']',
    '{',
    '}',
    '|',
    '^',
    '`',
    '"',
  ],
  ...[
    'é',
    'ß',
    'İ',
    'ı',
    '\u00ad',
    '\u200b',
    '\u202e',
    '\u2024',
    '\uff0e',
    '\uff0f',
    '٠',
    '😀',
    '\ud800',
    '\ufeff',
    'xn--',
  ],
  ...['spiffe://', 'SPIFFE://', 'Spiffe:', 'https://', '//', 'a'.repeat(300), 'b'.repeat(2040)],
];
const wholes = [
  'spiffe://example.org',
  'spiffe://example.org/web',
  'spiffe://a/b/c',
  'spiffe://1.2.3.4/x',
  'spiffe://[::1]/x',
  '',
];

const word = (random: Random, most: number): string =>
  Array.from({ length: 1 + random(most) }, () => pick(letters, random)).join('');

const someName = (random: Random): string =>
  broken(random(3) === 0 ? pick(wholes, random) : word(random, 12).toLowerCase(), random);

function someId(random: Random): string {
  if (random(4) === 0) return broken(pick(wholes, random), random);
  const segments = Array.from({ length: random(5) }, () => word(random, 8));
  return broken(['spiffe:/', word(random, 10).toLowerCase(), ...segments].join('/'), random);
}

/** Two in five stay as they are. */
function broken(text: string, random: Random): string {
  let result = text;
  for (let left = Math.max(0, random(5) - 1); left > 0; left--) {
    const at = random(result.length + 1);
    const end = random(2) === 0 ? at : at + random(3);
    result = result.slice(0, at) + (random(4) === 0 ? '' : pick(odd, random)) + result.slice(end);
  }
  return result;
}
