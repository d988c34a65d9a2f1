/** GeneralName (RFC 5280 section 4.2.1.6), in a subject's alternative names and in name constraints. */
import { DerReader, tag } from './der.ts';
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

/** One or more names. */
export function readGeneralNames(value: Buffer): readonly GeneralName[] {
  const outer = new DerReader(value);
  const list = outer.enter(tag.sequence);
  outer.finish();
  const names: GeneralName[] = [];
  while (!list.done) names.push(readGeneralName(list));
  if (names.length === 0) throw refuseCertificate('certificate-extension', 'its list of alternative names is empty');
  return names;
}

export function readGeneralName(reader: DerReader): GeneralName {
  const form = reader.tag ?? 0;
  if (!forms.has(form)) throw refuseCertificate('certificate-extension', 'a name in it is of an unknown form');
  const content = reader.content(form);
  const isText = form === nameForm.uri || form === nameForm.dnsName;
  return { form, text: isText ? printableAscii(content) : undefined };
}

/** IA5String without blanks and controls: a NUL inside a name has fooled more than one verifier (R-X509-1). */
function printableAscii(content: Buffer): string {
  if (content.some((byte) => byte <= 0x20 || byte >= 0x7f)) {
    throw refuseCertificate('certificate-name', 'a name in it holds a byte that is not printable ASCII');
  }
  return content.toString('latin1');
}
