import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdentityError } from '../errors.ts';
import { parseXml } from './xml.ts';

describe('the XML of an answer', () => {
  it('gives the texts by their paths', () => {
    const texts = parseXml(
      '<?xml version="1.0"?>\n<R xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><A> 1 &amp; &#x32;</A><B/><C><D>x</D></C></R>\n',
    );
    expect(Object.fromEntries(texts)).toEqual({ 'R/A': '1 & 2', 'R/B': '', 'R/C/D': 'x', 'R/C': '', R: '' });
  });

  it('takes the first where there are two: a later one cannot take its place', () => {
    expect(parseXml('<R><Code>first</Code><Code>second</Code></R>').get('R/Code')).toBe('first');
  });

  it.each([
    ['nothing', ''],
    ['no element', 'hello'],
    ['an element that does not end', '<R><A></R>'],
    ['two roots', '<R/><S/>'],
    ['a document type, and with it entities of its own', '<!DOCTYPE R [<!ENTITY a "b">]><R>&a;</R>'],
    ['an entity that XML does not have', '<R>&nbsp;</R>'],
    ['a character that is none', '<R>&#xD800;</R>'],
    ['an instruction', '<R><?php echo 1 ?></R>'],
    ['CDATA', '<R><![CDATA[x]]></R>'],
    ['more levels than an answer has', '<a>'.repeat(40) + '</a>'.repeat(40)],
    ['text after the end', '<R/>more'],
  ])('is refused: %s', (_, document) => {
    expect(() => parseXml(document)).toThrow(IdentityError);
  });

  it('is read or refused, and nothing worse, whatever it is', () => {
    const parts = fc.constantFrom(
      '<',
      '>',
      '/',
      'a',
      '&',
      ';',
      '#',
      'x',
      ' ',
      '"',
      '=',
      '<a>',
      '</a>',
      '<?xml',
      '?>',
      '&amp;',
    );
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 40 }), (some) => {
        try {
          parseXml(some.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(IdentityError);
        }
      }),
    );
  });

  it.each([
    ['blanks in a tag', `<a${' '.repeat(200_000)}`],
    ['a name without end', `<${'ul'.repeat(100_000)}`],
    ['tags that do not end', '<a '.repeat(60_000)],
    ['ampersands', `<a>${'&'.repeat(200_000)}</a>`],
  ])('costs no more than its length: %s', (_, document) => {
    expect(() => parseXml(document)).toThrow(IdentityError);
  });
});
