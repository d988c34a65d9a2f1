/** I2, I4: what was taken back by name stays taken back until its end, and nobody is given it any more. */
import { X509Certificate } from 'node:crypto';
import type { Capture } from '../captures.ts';
import { aheadAt, type Event, type Evidence, waitedIn } from './files.ts';
import type { Issued } from './issued.ts';
import type { Findings } from './report.ts';

const boundMs = 1_000;

export function checkRevoked({ history, captures }: Evidence, issued: Issued, findings: Findings): void {
  const taken = revoked(history);
  findings.count('credentials revoked', taken.size);
  if (taken.size === 0) return;
  const ahead = aheadAt(history);
  const waited = waitedIn(history);
  for (const event of history) {
    if (event.t !== 'state') continue;
    for (const [name, at] of taken) {
      const record = issued.get(name);
      const until = Number(record?.['notAfter'] ?? record?.['expiresAt']);
      if (at > event.at || event.at + ahead(event.at).most + boundMs > until) continue;
      const when = new Date(event.at).toISOString();
      findings.must(event.revoked.includes(name), 'I2', () => `${name} was revoked and is not at ${when}`);
    }
  }
  for (const capture of captures) {
    for (const name of namesIn(capture)) {
      const at = taken.get(name) ?? Infinity;
      const late = capture.at - at - (at < capture.at ? waited(at, capture.at) : 0);
      findings.must(late <= boundMs, 'I4', () => `${name} was given ${Math.round(late)} ms after it was revoked`);
    }
  }
}

/** When it was acknowledged, by name. */
function revoked(history: readonly Event[]): ReadonlyMap<string, number> {
  const asked = new Map(
    history.flatMap((event) => (event.t === 'ask' && event.do === 'revoke' ? [[event.op, event]] : [])),
  );
  const found = new Map<string, number>();
  for (const event of history) {
    const order = event.t === 'done' ? asked.get(event.op) : undefined;
    if (order !== undefined && !found.has(order.credential)) found.set(order.credential, event.at);
  }
  return found;
}

const serials = new Map<string, string>();

function namesIn(capture: Capture): readonly string[] {
  if (capture.kind === 'x509') return capture.svids.map(({ chain }) => serialOf(chain));
  if (capture.kind !== 'jwt') return [];
  return capture.tokens.map(({ token }) => {
    const claims = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();
    return (JSON.parse(claims) as { jti: string }).jti;
  });
}

function serialOf(chain: string): string {
  const known = serials.get(chain);
  if (known !== undefined) return known;
  const { serialNumber } = new X509Certificate(Buffer.from(chain, 'base64'));
  const serial = serialNumber.toLowerCase().replace(/^(?:00)+/, '');
  serials.set(chain, serial);
  return serial;
}
