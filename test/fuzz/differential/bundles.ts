/** Bundle documents before us and go-spiffe: whether they are taken, and how many authorities of each kind are in them. */
import { createPublicKey } from 'node:crypto';
import { IdentityError } from '../../../src/errors.ts';
import { formatBundle, parseBundle } from '../../../src/spiffe/bundle.ts';
import { TrustDomain } from '../../../src/spiffe/id.ts';
import { mutate } from '../engine/mutate.ts';
import { randomOf } from '../engine/random.ts';
import * as forge from '../forge.ts';
import { Comparison } from './comparison.ts';
import { ask } from './go-judge.ts';

const own = TrustDomain.parse('example.org');

function seeds(): Buffer[] {
  const extensions = [forge.basicConstraints(true), forge.keyUsage([5])];
  const authority = (key: string): Buffer => forge.forge({ subject: key, key, extensions });
  const jwt = (keyId: string) => ({ keyId, publicKey: createPublicKey(forge.keyOf(keyId)) });
  const bundle = {
    trustDomain: own,
    x509Authorities: [authority('root'), authority('rsa2048')],
    jwtAuthorities: [jwt('jwt'), jwt('rsa2048'), jwt('p384')],
    sequence: 7n,
    refreshHintSeconds: 300,
  };
  const lists = [
    formatBundle(bundle),
    formatBundle({ ...bundle, x509Authorities: [] }),
    '{"keys":[]}',
    '{"keys":null}',
  ];
  return lists.map((text) => Buffer.from(text));
}

/**
 * Entries of kinds that nobody knows are passed over (SPIFFE bundle section 4.2), where go-jose refuses the document. So
 * what we read out of a broken document is written down again: every authority that we believe, go-spiffe must believe.
 */
export async function compareBundles(count: number, seed: number): Promise<Comparison> {
  const comparison = new Comparison('authorities in bundles broken by chance');
  const random = randomOf(seed);
  const pool = seeds();
  const documents = [...pool, ...Array.from({ length: count }, () => mutate(pool, random, { shape: 'json' }))];
  const read = documents.map(ourReading);
  const questions = read.map(({ text }, index) => Buffer.from(text ?? documents[index] ?? ''));
  const answers = await ask(questions.map((bytes) => ({ kind: 'bundle', bytes, trustDomain: own })));
  for (const [index, { refusal, counts }] of read.entries()) {
    const { refusals, names } = answers[index] ?? {};
    const theirs =
      refusals?.['go-spiffe'] || (refusal === undefined && counts !== names ? `it finds ${names}` : undefined);
    comparison.note(questions[index]?.toString() ?? '', { ours: refusal, theirs: { 'go-spiffe': theirs } });
  }
  return comparison;
}

function ourReading(bytes: Buffer): { readonly refusal?: string; readonly counts?: string; readonly text?: string } {
  try {
    const bundle = parseBundle(own, bytes);
    const counts = `${bundle.x509Authorities.length} ${bundle.jwtAuthorities.length}`;
    return { counts, text: formatBundle(bundle) };
  } catch (error) {
    if (error instanceof IdentityError) return { refusal: `${error.reason}` };
    throw error;
  }
}
