/** What is known of relying parties outside SPIFFE. An operator who knows better changes any of it under the same name. */
import type { AudiencePolicy } from './audience.ts';

const [fiveMinutes, hour] = [300, 3_600];

const preset = (name: string, audiences: readonly string[], fields: Partial<AudiencePolicy> = {}): AudiencePolicy => ({
  ...{ name, audiences, algorithm: undefined, ttlSeconds: fiveMinutes, singleUse: false, derivedTtlSeconds: hour },
  claims: undefined,
  ...fields,
});

export const audiencePresets: readonly AudiencePolicy[] = [
  preset('aws', ['sts.amazonaws.com']),
  preset('gcp', ['//iam.googleapis.com/*', 'https://iam.googleapis.com/*']),
  // It refuses ES256. Its SDKs keep a token file's content for five minutes: there must be more than ten left.
  preset('azure', ['api://AzureADTokenExchange*'], {
    algorithm: 'RS256',
    ttlSeconds: hour,
    derivedTtlSeconds: 90 * 60,
  }),
  // Its flags take RS256 alone unless they say otherwise. The token itself is what each request shows.
  preset('kubernetes', ['kubernetes', 'https://kubernetes.default.svc*'], { algorithm: 'RS256', derivedTtlSeconds: 0 }),
  // Its default for the longest lease.
  preset('vault', ['vault', 'openbao'], { derivedTtlSeconds: 768 * hour }),
  preset('anthropic', ['https://api.anthropic.com']),
  preset('openai', ['https://api.openai.com/v1'], { algorithm: 'RS256' }),
  // What it gives lives as long as what it was given.
  preset('databricks', ['databricks'], { ttlSeconds: hour, derivedTtlSeconds: 0 }),
  preset('snowflake', ['snowflakecomputing.com'], { algorithm: 'RS256', derivedTtlSeconds: 4 * hour }),
];
