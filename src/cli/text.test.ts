import { assert, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { facts, plural, printable, table } from './text.ts';

describe('table', () => {
  it('aligns columns and leaves no space at the end of a line', () => {
    const text = table(
      ['ID', 'NAME'],
      [
        ['ada', 'Ada Byron'],
        ['grace-hopper', ''],
      ],
    );
    expect(text).toBe('ID            NAME\nada           Ada Byron\ngrace-hopper\n');
  });

  it('keeps each row on one line whatever a cell holds', () => {
    expect(table(['NAME'], [['two\nlines']])).toBe('NAME\ntwo\\nlines\n');
  });
});

describe('facts', () => {
  it('aligns labels and leaves out what is not known', () => {
    expect(
      facts([
        ['id', 'ada'],
        ['email', ''],
        ['entries', '3'],
      ]),
    ).toBe('id       ada\nentries  3\n');
  });
});

describe('printable', () => {
  it('shows a terminal escape, a direction override and a bell as numbers', () => {
    expect(printable('\u001b[2J \u202e \u0007')).toBe('\\u{1b}[2J \\u{202e} \\u{7}');
  });

  it('lets letters of every script pass', () => {
    expect(printable('Ada Byron, Зоя, 李, ñ, 🙂')).toBe('Ada Byron, Зоя, 李, ñ, 🙂');
  });

  it('leaves no control character but the line feed', () => {
    assert(property(string({ unit: 'binary' }), (text) => !/[^\P{C}\n]/u.test(printable(text))));
  });
});

it('counts in words', () => {
  expect([plural(1, 'entry', 'entries'), plural(0, 'record'), plural(100_000, 'entry', 'entries')]).toEqual([
    '1 entry',
    '0 records',
    '100,000 entries',
  ]);
});
