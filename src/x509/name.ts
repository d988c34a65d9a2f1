/**
 * Distinguished names (RFC 5280 section 4.1.2.4). They are compared as bytes; here is only checked that they are names,
 * because others who read the same certificate refuse it otherwise, and two readers must not see two certificates.
 */
import { DerReader, tag } from './der.ts';
import { refuseCertificate } from './refusal.ts';

/** A whole Name: a sequence of sets of attributes. An empty one is for who reads it to judge. */
export function checkName(name: Buffer): void {
  const outer = new DerReader(name);
  const sets = outer.enter(tag.sequence);
  outer.finish();
  while (!sets.done) {
    const attributes = sets.enter(tag.set);
    while (!attributes.done) checkAttribute(attributes.enter(tag.sequence));
  }
}

function checkAttribute(attribute: DerReader): void {
  attribute.content(tag.oid);
  const type = attribute.tag ?? 0;
  const isText = texts[type];
  if (isText === undefined) throw refuse('holds a value that is no text');
  if (!isText(attribute.content(type))) throw refuse('holds a character that its kind of text does not have');
  attribute.finish();
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** DirectoryString and what else is met in names, by tag. */
const texts: Readonly<Record<number, (value: Buffer) => boolean>> = {
  [tag.utf8String]: (value) => {
    try {
      utf8.decode(value);
      return true;
    } catch {
      return false;
    }
  },
  /** NumericString. */
  18: (value) => /^[0-9 ]*$/.test(value.toString('latin1')),
  /** PrintableString, with the * and & that authorities have put there since long ago. */
  19: (value) => /^[A-Za-z0-9 '()+,\-./:=?*&]*$/.test(value.toString('latin1')),
  /** TeletexString: each byte means something. */
  20: () => true,
  /** IA5String. */
  22: isAscii,
  /** BMPString: two bytes a character. */
  30: (value) => value.length % 2 === 0 && Buffer.from(value).swap16().toString('utf16le').isWellFormed(),
};

export function isAscii(value: Buffer): boolean {
  return value.every((byte) => byte < 0x80);
}

const refuse = (what: string) => refuseCertificate('certificate-name', `a name in it ${what}`);
