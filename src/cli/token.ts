import type { Command } from 'commander';
import { asked, endpointFlags } from './endpoint.ts';
import { type Answer, leaf } from './leaf.ts';
import * as shapes from './shapes.ts';
import type { EndpointOptions } from './sockets.ts';
import { moment } from './text.ts';

interface Options extends EndpointOptions {
  readonly audience: string;
  readonly spiffeId?: string;
  readonly out?: string;
}

export function define(command: Command): void {
  endpointFlags(command)
    .requiredOption('--audience <name>', 'who the token is for: one, because each could use it at the others')
    .option('--spiffe-id <id>', 'only this identity, where the process has several')
    .option('--out <file>', 'write it there instead: whole or not at all, mode 0600, without a line feed');
  leaf<[], Options>(command, {
    does: 'get one token of this process, for one relying party',
    about:
      'The token is that of `mayfly fetch jwt`. A file that is to stay fresh is what `mayfly project` and `mayfly env` keep.',
    prints: shapes.token,
    examples: [
      'mayfly token --audience sts.amazonaws.com --out /run/app/aws.token',
      'curl -H "Authorization: Bearer $(mayfly token --audience api.example.org)" https://api.example.org',
    ],
    act: (_, options) => fetchToken(options),
  });
}

const fetchToken = (options: Options): Promise<Answer> =>
  asked(options, async (client, signal) => {
    const { identitiesOf } = await import('./identities.ts');
    const { audience, spiffeId, out } = options;
    const { id, token, expiresAt } = await identitiesOf(client).token({ audience, spiffeId }, signal);
    const until = new Date(expiresAt).toISOString();
    const about = { spiffeId: id, audience, expiresAt: until };
    if (out === undefined) return { document: { ...about, token, written: null }, text: `${token}\n` };
    const [{ resolve }, { writeFileAtomic }] = await Promise.all([import('node:path'), import('../runtime/files.ts')]);
    const written = resolve(out);
    writeFileAtomic(written, token, { mode: 0o600 });
    const text = `Wrote ${written}: a token of ${id} for ${audience}, until ${moment(until)}.\n`;
    return { document: { ...about, token: null, written }, text };
  });
