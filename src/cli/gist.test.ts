import { expect, it } from 'vitest';
import { gist } from './gist.ts';

it('says the plain facts of a record on one line, times as times, and what has spaces in quotes', () => {
  const record = {
    seq: 7,
    at: '2026-11-23T12:00:00.000Z',
    kind: 'x509-svid.issued',
    name: 'Ada Byron',
    pid: 42,
    notAfter: Date.UTC(2026, 10, 23, 13),
    hint: '',
    selectors: ['unix:uid:1'],
    lastAt: 1e300,
    prev: 'aa',
    seal: 'bb',
  };
  expect(gist(record)).toBe('name="Ada Byron" pid=42 notAfter=2026-11-23T13:00:00Z lastAt=1e+300');
});
