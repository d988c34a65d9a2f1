import { audienceOf, checkTokenType, executableAnswer, executableFailure, parseProvider } from '../cloud/gcp.ts';
import { IdentityError } from '../errors.ts';
import { environment } from '../runtime/environment.ts';
import { writeFileAtomic } from '../runtime/files.ts';
import { asked } from './endpoint.ts';
import { failureOf } from './failure.ts';
import { identitiesOf } from './identities.ts';
import type { Answer } from './leaf.ts';
import type { EndpointOptions } from './sockets.ts';

export interface GcpOptions extends EndpointOptions {
  readonly audience?: string;
  readonly spiffeId?: string;
}

/**
 * The protocol takes standard error for a part of the answer and a code other than 0 for a broken program, so a refusal is
 * an answer too: the library shows its code and message.
 */
export async function gcpCredentials(options: GcpOptions): Promise<Answer> {
  const document = await answerTo(options).catch((error: unknown) => {
    const { code, message, advice } = failureOf(error);
    return executableFailure(code, `${message}. ${advice}`);
  });
  return { document, text: `${JSON.stringify(document)}\n` };
}

const answerTo = (options: GcpOptions): Promise<object> =>
  asked(options, async (client, signal) => {
    const audience = options.audience ?? askedFor();
    const tokenType = checkTokenType(environment.named('GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE') ?? tokenTypes.jwt);
    const token = await identitiesOf(client).token({ audience, spiffeId: options.spiffeId }, signal);
    const answer = executableAnswer(token, tokenType);
    const file = environment.named('GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE');
    // The library looks there first, until what is in it expires.
    if (file !== undefined) writeFileAtomic(file, JSON.stringify(answer), { mode: 0o600 });
    return answer;
  });

/** The library says which provider the token will be shown to. */
function askedFor(): string {
  const provider = environment.named('GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE');
  if (provider !== undefined) return audienceOf(parseProvider(provider));
  const need =
    'GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE is not set, as Google’s libraries do: name who the token is for with --audience';
  throw new IdentityError('invalid-argument', need);
}

const tokenTypes = { jwt: 'urn:ietf:params:oauth:token-type:jwt' } as const;
