import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { requirements, securityDocument } from './security.ts';
import { filesWith } from './titles.ts';

const numbered = (kind: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `R-${kind}-${n + 1}`);
/** Every requirement that a past hole has led to. */
const all = [
  ...numbered('PEER', 7),
  ...numbered('RES', 1),
  ...numbered('ISS', 10),
  ...numbered('ID', 2),
  ...numbered('ONE', 2),
  ...['R-TLS-1', 'R-JWT-1', 'R-X509-1', 'R-PARSE-1'],
  ...numbered('KEY', 2),
  ...['R-PUB-1'],
  ...numbered('NET', 5),
  ...['R-SUP-1', 'R-AUD-1'],
];
const makefile = readFileSync(new URL('../Makefile', import.meta.url), 'utf8');

describe('past holes of systems like this one', () => {
  it('are all there, each once', () => {
    expect(requirements.map(({ id }) => id)).toEqual(all);
  });

  it.each(requirements)('$id says what is done about it, with tests that exist, or that it is not built yet', (row) => {
    const { hole, answer, tests = [], runs = [], later } = row;
    expect(hole).not.toBe('');
    if (answer === '') expect([later === undefined, tests]).toEqual([false, []]);
    else expect(tests.length).toBeGreaterThan(0);
    for (const title of tests) expect(filesWith(title), title).not.toEqual([]);
    for (const run of runs) expect(makefile).toContain(`\n${/^make (\S+)/.exec(run)?.[1]}:`);
  });

  it('are told in docs/security.md as the table has them: make docs', () => {
    expect(readFileSync(new URL('../docs/security.md', import.meta.url), 'utf8')).toBe(securityDocument());
  });
});
