/**
 * As much XML as the answers of AWS's query APIs have: elements, attributes that nobody asks for, text with the five
 * entities and numbers. What a document could hold besides (a document type, entities of its own, instructions, comments)
 * is refused: whatever it is for, it is not for us. Linear in the length of the document.
 */
import { IdentityError } from '../errors.ts';

/** The texts of elements, by their path from the root, as in `ErrorResponse/Error/Code`. The first of each path counts. */
export type XmlTexts = ReadonlyMap<string, string>;

const deepest = 32;
const prolog = /^\uFEFF?\s*(?:<\?xml[^?<>]*\?>)?/;
/** What follows a name begins with what a name has not: there is one way to divide a tag, and so one to fail. */
const piece = /<(\/?)([A-Za-z_][\w.:-]*)((?:[\s/][^<>]*)?)>|[^<]+/y;

/** @throws IdentityError 'unavailable', because it was somebody else's answer */
export function parseXml(document: string): XmlTexts {
  const reading = new Reading();
  piece.lastIndex = prolog.exec(document)?.[0].length ?? 0;
  while (piece.lastIndex < document.length) {
    const match = piece.exec(document);
    if (match === null) throw notXml();
    const [whole, closing, name, rest = ''] = match;
    if (name === undefined) reading.text(whole);
    else if (closing === '/') reading.close(name);
    else reading.open(name, rest.endsWith('/'));
  }
  return reading.end();
}

class Reading {
  readonly #texts = new Map<string, string>();
  readonly #path: string[] = [];
  #text = '';
  #begun = false;

  text(characters: string): void {
    if (this.#path.length === 0 && characters.trim() !== '') throw notXml();
    this.#text += decoded(characters);
  }

  open(name: string, empty: boolean): void {
    if ((this.#path.length === 0 && this.#begun) || this.#path.length >= deepest) throw notXml();
    this.#begun = true;
    this.#text = '';
    this.#path.push(name);
    if (empty) this.close(name);
  }

  close(name: string): void {
    const path = this.#path.join('/');
    if (this.#path.pop() !== name) throw notXml();
    if (!this.#texts.has(path)) this.#texts.set(path, this.#text.trim());
    this.#text = '';
  }

  end(): XmlTexts {
    if (!this.#begun || this.#path.length > 0) throw notXml();
    return this.#texts;
  }
}

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

const decoded = (characters: string): string =>
  characters.replaceAll(/&([^;&]{0,10};)?/g, (_, entity = '') => {
    const [, hex, decimal] = /^#(?:x([0-9a-f]{1,6})|(\d{1,7}));$/i.exec(entity) ?? [];
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    const known = Number.isNaN(code) ? named[entity.slice(0, -1)] : character(code);
    if (known === undefined) throw notXml();
    return known;
  });

const character = (code: number): string | undefined =>
  code > 0 && code <= 0x10_ff_ff && (code < 0xd8_00 || code > 0xdf_ff) ? String.fromCodePoint(code) : undefined;

const notXml = (): IdentityError => new IdentityError('unavailable', 'it is not the XML that was to come');
