import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesWith } from './titles.ts';

interface Row {
  /** What was seen of another issuer. */
  readonly line: string;
  /** Titles of tests that show what happens here instead. */
  readonly tests: readonly string[];
}

const rows = JSON.parse(readFileSync(join(import.meta.dirname, 'vectors/seen-from-outside.json'), 'utf8')) as Row[];

describe('what was seen of others from outside', () => {
  it.each(rows)('has a test here: $line', ({ tests }) => {
    expect(tests.length).toBeGreaterThan(0);
    for (const title of tests) expect(filesWith(title), title).not.toEqual([]);
  });
});
