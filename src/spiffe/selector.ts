import { IdentityError } from '../errors.ts';
import { faultOfText } from './text.ts';

declare const brand: unique symbol;

/** A fact about a workload as `type:value`, such as `unix:uid:1000`. Two selectors are the same when the texts are. */
export type Selector = string & { readonly [brand]: 'Selector' };

/** A path may have 4096 bytes; labels and variables of containers may be longer. */
const longestSelector = 8192;
const typeShape = /^[a-z][a-z0-9_-]{0,63}$/;

export const Selector = Object.freeze({
  parse(text: string): Selector {
    const fault = faultOf(text);
    if (fault !== undefined)
      throw new IdentityError('invalid-argument', `The selector ${fault}`, { reason: 'selector' });
    return text as Selector;
  },
});

function faultOf(text: string): string | undefined {
  const colon = text.indexOf(':');
  if (colon < 0) return 'is written as type:value, for example unix:uid:1000';
  if (!typeShape.test(text.slice(0, colon))) return 'has a type that is not made of a-z, 0-9, dashes and underscores';
  if (colon === text.length - 1) return 'has no value: write it as unix:uid:1000';
  return faultOfText(text, longestSelector);
}
