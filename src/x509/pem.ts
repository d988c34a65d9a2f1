/** The textual encoding of RFC 7468. */
import { IdentityError } from '../errors.ts';

export function encodePem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

/** The content of every block with this label, in order. Text around blocks and blocks of other kinds are passed over. */
export function decodePem(label: string, text: string): Buffer[] {
  const blocks: Buffer[] = [];
  let open: { label: string; body: string } | undefined;
  for (const line of text.split(/\r?\n/)) {
    const boundary = /^-----(BEGIN|END) ([!-~ ]*)-----[ \t]*$/.exec(line);
    if (boundary === null) {
      if (open !== undefined) open.body += line.trim();
    } else if (boundary[1] === 'BEGIN') {
      if (open !== undefined) throw malformedPem(`the ${open.label} block has no end`);
      open = { label: boundary[2] ?? '', body: '' };
    } else {
      if (open === undefined || open.label !== boundary[2]) throw malformedPem('an END line has no BEGIN line');
      if (open.label === label) blocks.push(bytesOf(open));
      open = undefined;
    }
  }
  if (open !== undefined) throw malformedPem(`the ${open.label} block has no end`);
  return blocks;
}

function bytesOf({ label, body }: { label: string; body: string }): Buffer {
  const bytes = Buffer.from(body, 'base64');
  // Buffer skips what it does not know; only the canonical text comes back the same.
  if (body === '' || bytes.toString('base64') !== body) throw malformedPem(`the ${label} block is not base64`);
  return bytes;
}

const malformedPem = (detail: string): IdentityError =>
  new IdentityError('invalid-argument', `The PEM text is not valid: ${detail}`, { reason: 'pem' });
