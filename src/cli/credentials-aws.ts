import { processDocument } from '../cloud/aws.ts';
import { formatDuration } from '../runtime/duration.ts';
import { type AwsOptions, awsSource, type DerivedSession } from './aws-source.ts';
import { asked } from './endpoint.ts';
import type { Answer } from './leaf.ts';

export async function awsCredentials(options: AwsOptions): Promise<Answer> {
  const source = awsSource(options);
  const session = await asked(options, source);
  const document = processDocument(session);
  return { document, text: `${JSON.stringify(document)}\n`, warnings: outlives(session) };
}

/** Whoever relies on a short life, or on taking an SVID back, must hear that this goes on. */
function outlives({ expiresAt, svidExpiresAt }: DerivedSession): string[] {
  const seconds = Math.floor((expiresAt - svidExpiresAt) / 1000);
  if (seconds <= 0) return [];
  return [
    `this session ends ${formatDuration(seconds)} after the SVID it was obtained with, and does not end when that is taken back`,
  ];
}
