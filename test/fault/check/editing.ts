/** Ways to edit evidence that several lies share. */
import { createPrivateKey, createPublicKey, sign, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Capture, CapturedSvid } from '../captures.ts';
import type { Doctored, LedgerLine } from './doctored.ts';
import type { Event } from './files.ts';

/** What is not so, how it is named, and how it is made to look so. */
export type Lie = readonly [what: string, named: RegExp, doctor: (evidence: Doctored) => void];

export const issued = ({ kind }: LedgerLine): boolean => kind === 'x509-svid.issued';
export const given = (captures: readonly Capture[]) =>
  captures.filter((capture): capture is Extract<Capture, { kind: 'x509' }> => capture.kind === 'x509');

/** What a workload was given last, as if it were another user's. */
export function heldBy(uid: number, captures: readonly Capture[]): object[] {
  const chain = lastOf(given(captures)).svids[0]?.chain;
  const isIt = (capture: Capture): boolean =>
    capture.kind === 'x509' && capture.svids.some((svid) => svid.chain === chain);
  return captures.map((capture) => (isIt(capture) ? { ...capture, uid } : capture));
}

/** The first SVID of each capture that has one, edited. */
export const editSvid = (edit: (svid: CapturedSvid, capture: Capture) => object) => (captures: Capture[]) =>
  captures.map((capture) => {
    const [svid] = capture.kind === 'x509' ? capture.svids : [];
    return capture.kind === 'x509' && svid !== undefined
      ? { ...capture, svids: [edit(svid, capture), ...capture.svids.slice(1)] }
      : capture;
  });

export const lastOf = <T>(items: readonly T[]): T => {
  const last = items.at(-1);
  if (last === undefined) throw new Error('nothing there');
  return last;
};

export const append =
  (...events: object[]) =>
  (history: Event[]) => [...history, ...events.map((event) => ({ at: Date.now(), ...event }))];

/** The newest file of a kind in a directory. */
export const lastFile = (directory: string, is: (name: string) => boolean): string =>
  join(directory, lastOf(readdirSync(directory).filter(is).sort()));

/** The certificate, signed again by its own authority, and valid for ten years more. */
export function prolonged(chain: string, keys: string): string {
  const bytes = Buffer.from(chain, 'base64');
  const from = new X509Certificate(bytes).validToDate;
  const utc = (date: Date): string => `${date.toISOString().slice(2, 19).replace(/[-T:]/g, '')}Z`;
  const until = new Date(from);
  until.setUTCFullYear(from.getUTCFullYear() + 10);
  const tbsEnd = 4 + 4 + bytes.readUInt16BE(6);
  const tbs = Buffer.from(bytes.subarray(4, tbsEnd));
  tbs.write(utc(until), tbs.lastIndexOf(utc(from)), 'latin1');
  const algorithm = bytes.subarray(tbsEnd, tbsEnd + 2 + (bytes[tbsEnd + 1] ?? 0));
  const key = readdirSync(keys)
    .filter((name) => name.startsWith('x509-'))
    .map((name) => readFileSync(join(keys, name), 'latin1'))
    .map((text) => createPrivateKey(text.slice(text.indexOf('-----BEGIN'))))
    .find((each) => new X509Certificate(bytes).verify(createPublicKey(each)));
  if (key === undefined) throw new Error('none of the keys signed it');
  const signature = sign('sha256', tbs, key);
  const bits = Buffer.concat([Buffer.from([3, signature.length + 1, 0]), signature]);
  const body = Buffer.concat([tbs, algorithm, bits]);
  return Buffer.concat([Buffer.from([0x30, 0x82, body.length >> 8, body.length & 255]), body]).toString('base64');
}
