import { terminal } from '../runtime/terminal.ts';
import type { FetchedJwtSvid } from '../sdk/jwt-answers.ts';
import { asked } from './endpoint.ts';
import type { Answer } from './leaf.ts';
import type { EndpointOptions } from './sockets.ts';

/** The first SVID is the default identity; a program sees them all. */
export const fetchJwt = (
  options: EndpointOptions & { audience: readonly string[]; spiffeId?: string },
): Promise<Answer> =>
  asked(options, async (client, signal) => {
    const { audience, spiffeId } = options;
    const svids = await client.fetchJwtSvids({ audience, signal, ...(spiffeId === undefined ? {} : { spiffeId }) });
    return { document: { svids: svids.map(jwtDocument) }, text: `${svids[0]?.token}\n` };
  });

export const validateJwt = (token: string, options: EndpointOptions & { audience: string }): Promise<Answer> =>
  asked(options, async (client, signal) => {
    const given = token === '-' ? (await terminal.read()).trim() : token;
    const { id, claims } = await client.validateJwtSvid({ audience: options.audience, token: given, signal });
    return { document: { spiffeId: id, claims }, text: `Valid, for ${id}.\n${JSON.stringify(claims, undefined, 2)}\n` };
  });

const jwtDocument = ({ id, hint, audience, expiresAt, token }: FetchedJwtSvid) => ({
  spiffeId: id,
  hint,
  audience,
  expiresAt: new Date(expiresAt).toISOString(),
  token,
});
