/**
 * JSON escapes U+0000 to U+001F. A terminal or an editor obeys more: DEL, the C1 controls, invisible and
 * direction-changing characters, line separators, tags. None of them may reach a reader's screen raw (R-AUD-1).
 */
const unprintable =
  /[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udfff]/;
const everyUnprintable = new RegExp(unprintable, 'g');

/** JSON that means the same and is text to whoever looks at it. */
export const printableJson = (json: string): string =>
  unprintable.test(json) ? json.replace(everyUnprintable, escapeSequence) : json;

const escapeSequence = (found: string): string =>
  found
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
