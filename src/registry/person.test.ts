import { describe, expect, it } from 'vitest';
import { checkPerson } from './person.ts';

const ada = { id: 'ada', name: 'Ada Byron' };

describe('a person', () => {
  it.each([
    [ada],
    [{ ...ada, email: 'ada@example.org' }],
    [{ ...ada, id: 'ada@example.org' }],
    [{ id: '1st-line_ops.eu', name: 'Bereitschaft · 夜勤' }],
    [{ ...ada, id: 'a'.repeat(64) }],
  ])('is taken as given: %j', (draft) => {
    expect(checkPerson(draft)).toEqual({ email: '', ...draft });
  });

  it.each([
    ['no id', { ...ada, id: '' }, 'id'],
    ['an upper-case id, which would make two people of one', { ...ada, id: 'Ada' }, 'id'],
    ['an id that reads as an option', { ...ada, id: '-f' }, 'id'],
    ['an id with a space', { ...ada, id: 'ada byron' }, 'id'],
    ['an id of 65 characters', { ...ada, id: 'a'.repeat(65) }, 'id'],
    ['no name', { ...ada, name: ' ' }, 'name'],
    ['a name with a line break, which could forge a line of a list', { ...ada, name: 'Ada\nbob' }, 'name'],
    ['a name with half a surrogate pair, which has no UTF-8', { ...ada, name: 'Ada \ud800' }, 'name'],
    ['a name over 256 bytes', { ...ada, name: 'é'.repeat(129) }, 'name'],
    ['an e-mail address without @', { ...ada, email: 'ada' }, 'email'],
    ['an e-mail address over 254 bytes', { ...ada, email: `${'a'.repeat(254)}@b` }, 'email'],
  ])('SE-25 is refused with %s', (_, draft, field) => {
    expect(() => checkPerson(draft)).toThrow(
      expect.objectContaining({ code: 'invalid-argument', reason: `person-${field}` }),
    );
  });
});
