/** About what workloads were given: I1, I3, I4, I5. */
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import type { CapturedSvid } from '../captures.ts';
import { editSvid, given, heldBy, type Lie, lastOf, prolonged } from './editing.ts';

export const liesOfCredentials: readonly Lie[] = [
  [
    'I3 an SVID is given to two processes',
    /^I3 .* was given to two processes/,
    (evidence) => {
      evidence.captures((captures) => [...captures, { ...lastOf(given(captures)), pid: 1 }]);
    },
  ],
  [
    'I1 an SVID is given to another user',
    /^I1 .* was given to uid 7 for/,
    (evidence) => {
      evidence.captures((captures) => heldBy(7, captures));
    },
  ],
  [
    'I1 an SVID comes under another name',
    /^I1 .* is for .*, not spiffe:\/\/example\.org\/root/,
    (evidence) => {
      evidence.captures(editSvid((svid) => ({ ...svid, id: 'spiffe://example.org/root' })));
    },
  ],
  [
    'I1 an SVID comes with the key of another',
    /^I1 .* came with the key of another/,
    (evidence) => {
      const keys: string[] = [];
      evidence.captures((captures) => {
        keys.push(...given(captures).flatMap(({ svids }) => svids.map(({ key }) => key)));
        return captures;
      });
      evidence.captures(editSvid((svid) => ({ ...svid, key: keys.find((key) => key !== svid.key) })));
    },
  ],
  [
    'I1 a token is for another audience',
    /^I1 asked for other, got a token for/,
    (evidence) => {
      evidence.captures((captures) =>
        captures.map((capture) => (capture.kind === 'jwt' ? { ...capture, audience: ['other'] } : capture)),
      );
    },
  ],
  [
    'I4 an SVID outlives its authority',
    /^I4 .* ends \d+ ms after its authority/,
    (evidence) => {
      const keys = join(evidence.data, 'keys');
      const last = new Map<number, string>();
      evidence.captures((captures) => {
        const svid = lastOf(given(captures)).svids[0];
        last.set(captures[0]?.uid ?? 0, svid?.chain ?? '');
        return captures;
      });
      evidence.captures(
        editSvid((svid, { uid }) =>
          svid.chain === last.get(uid) ? { ...svid, chain: prolonged(svid.chain, keys) } : svid,
        ),
      );
    },
  ],
  [
    'I4 an SVID is given after its end',
    /^I4 .* was given \d+ ms after its end/,
    (evidence) => {
      evidence.captures((captures) => [...captures, { ...given(captures)[0], at: Date.now() + 60_000 }]);
    },
  ],
  [
    'I4 an SVID is given after its entry was deleted',
    /^I4 .* was given \d+ ms after it was acknowledged/,
    (evidence) => {
      evidence.history((history) => {
        const at = history.findIndex((event) => event.t === 'state' && event.entries.length > 0);
        const [entry] = history.flatMap((event) => (event.t === 'state' ? event.entries : []));
        const when = (history[at]?.at ?? 0) - 60_000;
        const gone = [
          { at: when, t: 'ask', op: 9_999, do: 'delete-entry', id: entry?.id },
          { at: when, t: 'done', op: 9_999 },
        ];
        return history.toSpliced(at + 1, 0, ...(gone as never[]));
      });
    },
  ],
  [
    'I4 an SVID is given after it was revoked',
    /^I4 [0-9a-f]+ was given \d+ ms after it was revoked/,
    (evidence) => {
      let revoked = '';
      evidence.history((history) => {
        for (const event of history) if (event.t === 'ask' && event.do === 'revoke') revoked = event.credential;
        return history.map((event) => (event.t === 'waited' ? { ...event, ms: 0 } : event));
      });
      evidence.captures((captures) => {
        const isIt = ({ chain }: CapturedSvid): boolean =>
          new X509Certificate(Buffer.from(chain, 'base64')).serialNumber.toLowerCase().endsWith(revoked);
        const held = given(captures).filter(({ svids }) => svids.some(isIt));
        return [...captures, ...held.map((capture) => ({ ...capture, at: Date.now() + 5_000 }))];
      });
    },
  ],
  [
    'I5 an authority signs before it is on record',
    /^I5 .*: .* was prepared by undefined, activated by undefined/,
    (evidence) => {
      evidence.ledger((records) => records.filter(({ kind }) => !kind.startsWith('authority.')));
    },
  ],
  [
    'I5 an SVID is signed by nobody in the bundle',
    /^I5 .* is signed by .*, which no bundle beside it has/,
    (evidence) => {
      evidence.captures(editSvid((svid) => ({ ...svid, bundle: '' })));
    },
  ],
  [
    'I5 a token is not signed by who is named',
    /^I5 the signature of .* is not by/,
    (evidence) => {
      evidence.captures((captures) =>
        captures.map((capture) =>
          capture.kind === 'jwt'
            ? {
                ...capture,
                tokens: capture.tokens.map(({ id, token }) => ({ id, token: `${token.slice(0, -8)}AAAAAAAA` })),
              }
            : capture,
        ),
      );
    },
  ],
];
