/** GeneralName (RFC 5280 section 4.2.1.6), in a subject's alternative names and in name constraints. */
import { checkOid, DerReader, tag } from './der.ts';
import { checkName, isAscii } from './name.ts';
import { refuseCertificate } from './refusal.ts';

/** The context tags of GeneralName. */
export const nameForm = {
  otherName: 0xa0,
  rfc822Name: 0x81,
  dnsName: 0x82,
  x400Address: 0xa3,
  directoryName: 0xa4,
  ediPartyName: 0xa5,
  uri: 0x86,
  ipAddress: 0x87,
  registeredId: 0x88,
} as const;

const forms: ReadonlySet<number> = new Set(Object.values(nameForm));

export interface GeneralName {
  readonly form: number;
  /** The text of a URI or DNS name; undefined for other forms. */
  readonly text: string | undefined;
}

/** Bytes of an IPv4 or IPv6 address; in constraints there is a mask as long beside it. */
const addressBytes = { name: [4, 16], constraint: [8, 32] } as const;

/** One or more names. */
export function readGeneralNames(value: Buffer): readonly GeneralName[] {
  const outer = new DerReader(value);
  const list = outer.enter(tag.sequence);
  outer.finish();
  const names: GeneralName[] = [];
  while (!list.done) names.push(readGeneralName(list, 'name'));
  if (names.length === 0) throw refuseCertificate('certificate-extension', 'its list of alternative names is empty');
  return names;
}

/** Each form is read to its last byte, also those that nobody here compares: others do, and refuse what is none. */
export function readGeneralName(reader: DerReader, as: keyof typeof addressBytes): GeneralName {
  const form = reader.tag ?? 0;
  if (!forms.has(form)) throw refuse('certificate-extension', 'is of an unknown form');
  const content = reader.content(form);
  if (form === nameForm.uri || form === nameForm.dnsName) return { form, text: printableAscii(content) };
  if (!isWellFormed(form, content, as)) throw refuse('certificate-extension', 'is not of the form that it says');
  return { form, text: undefined };
}

function isWellFormed(form: number, content: Buffer, as: keyof typeof addressBytes): boolean {
  if (form === nameForm.rfc822Name) return isAscii(content);
  if (form === nameForm.ipAddress) return addressBytes[as].some((length) => length === content.length);
  if (form === nameForm.directoryName) checkName(content);
  if (form === nameForm.otherName) checkOtherName(new DerReader(content));
  if (form === nameForm.registeredId) checkOid(content);
  return form !== nameForm.x400Address && form !== nameForm.ediPartyName;
}

/** A type, and in an EXPLICIT wrapper one value of it. */
function checkOtherName(parts: DerReader): void {
  parts.content(tag.oid);
  const value = parts.enter(0xa0);
  parts.finish();
  value.element();
  value.finish();
}

/** IA5String without blanks and controls: a NUL inside a name has fooled more than one verifier (R-X509-1). */
function printableAscii(content: Buffer): string {
  if (content.some((byte) => byte <= 0x20 || byte >= 0x7f)) {
    throw refuse('certificate-name', 'holds a byte that is not printable ASCII');
  }
  return content.toString('latin1');
}

const refuse = (reason: 'certificate-extension' | 'certificate-name', what: string) =>
  refuseCertificate(reason, `a name in it ${what}`);
