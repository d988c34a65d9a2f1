import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

interface Row {
  /** What was seen of another issuer. */
  readonly line: string;
  /** Titles of tests that show what happens here instead. */
  readonly tests: readonly string[];
}

const rows = JSON.parse(readFileSync(join(import.meta.dirname, 'vectors/seen-from-outside.json'), 'utf8')) as Row[];
const root = join(import.meta.dirname, '..');
const sources = globSync(['src/**/*.test.ts', 'test/**/*.test.ts'], { cwd: root })
  .filter((file) => !file.endsWith('test/seen-from-outside.test.ts'))
  .map((file) => readFileSync(join(root, file), 'utf8'));

/** As it stands between the quotes of a test that runs. */
const isTitle = (title: string): boolean =>
  sources.some((source) =>
    ["'", '`', '"'].some((quote) => new RegExp(`\\bit\\(\\s*${quote}${escaped(title)}${quote}`).test(source)),
  );

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

describe('what was seen of others from outside', () => {
  it.each(rows)('has a test here: $line', ({ tests }) => {
    expect(tests.length).toBeGreaterThan(0);
    for (const title of tests) expect(isTitle(title), title).toBe(true);
  });
});
