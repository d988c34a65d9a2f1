import { describe, expect, it } from 'vitest';
import { IdentityError } from '../errors.ts';
import { Selector } from './selector.ts';

describe('selectors', () => {
  it('are a type and a value, which may hold colons, blanks and any script', () => {
    for (const text of ['unix:uid:1000', 'docker:label:a:b', 'unix:path:/opt/my app/ü', 'k8s:ns:prod', 'spiffe_id:x']) {
      expect(Selector.parse(text)).toBe(text);
    }
  });

  it('SE-25 refuses what is no selector and what could forge a line in a list', () => {
    const texts = ['', 'unix', ':uid:1', 'unix:', 'Unix:uid:1', 'un ix:uid', 'unix:uid:1\n', 'unix:path:/a\u0000b'];
    for (const text of [...texts, 'unix:path:/a\u2028b', 'unix:x:\ud800', `unix:path:${'a'.repeat(9000)}`]) {
      expect(() => Selector.parse(text), text).toThrow(IdentityError);
    }
    expect(() => Selector.parse('unix')).toThrow('The selector is written as type:value, for example unix:uid:1000');
    expect(() => Selector.parse('unix:')).toThrow('The selector has no value: write it as unix:uid:1000');
    expect(() => Selector.parse('unix:uid:1\u0007')).toThrow('The selector holds a control character or a line break');
  });
});
