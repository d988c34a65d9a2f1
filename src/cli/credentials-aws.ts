import { processDocument } from '../cloud/aws.ts';
import { type AwsOptions, awsSource, outlives } from './aws-source.ts';
import { asked } from './endpoint.ts';
import type { Answer } from './leaf.ts';

export async function awsCredentials(options: AwsOptions): Promise<Answer> {
  const source = awsSource(options);
  const session = await asked(options, source);
  const document = processDocument(session);
  return { document, text: `${JSON.stringify(document)}\n`, warnings: outlives(session) };
}
