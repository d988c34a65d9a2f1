/** The subjectAltName extension of a leaf, written in one piece: exactly one URI, then DNS names (X509-SVID section 2). */
import { tag } from './der.ts';
import { headerLength, writeHeader } from './der-write.ts';
import { nameForm } from './general-name.ts';
import { encodeOid, oid } from './oid.ts';

export function subjectAltName(uri: string, dnsNames: readonly string[], critical: boolean): Buffer {
  const start = critical ? criticalStart : plainStart;
  let names = nameLength(uri);
  for (const dnsName of dnsNames) names += nameLength(dnsName);
  const value = headerLength(names) + names;
  const extension = start.length + headerLength(value) + value;

  const bytes = Buffer.allocUnsafe(headerLength(extension) + extension);
  let at = writeHeader(bytes, 0, tag.sequence, extension);
  at += start.copy(bytes, at);
  at = writeHeader(bytes, at, tag.octetString, value);
  at = writeHeader(bytes, at, tag.sequence, names);
  at = writeName(bytes, at, nameForm.uri, uri);
  for (const dnsName of dnsNames) at = writeName(bytes, at, nameForm.dnsName, dnsName);
  return bytes;
}

const plainStart = encodeOid(oid.subjectAltName);
const criticalStart = Buffer.concat([plainStart, Buffer.of(tag.boolean, 1, 0xff)]);

const printable = /^[\x21-\x7e]+$/;

/** IA5String; what else would be written as a byte of the same number is stopped here. */
function nameLength(name: string): number {
  if (!printable.test(name)) throw new TypeError('a name in a certificate is printable ASCII');
  return headerLength(name.length) + name.length;
}

function writeName(into: Buffer, at: number, form: number, name: string): number {
  const content = writeHeader(into, at, form, name.length);
  return content + into.write(name, content, 'latin1');
}
