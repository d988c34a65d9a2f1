/** Titles of tests and checks, as they stand between their quotes in the sources: what documents may refer to. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const sources = globSync(['src/**/*.test.ts', 'test/**/*.test.ts', 'test/interop/*.ts', 'test/fuzz/judges.ts'], {
  cwd: root,
}).map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') }));

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** The files where a test that runs has this title: `it('…'`, `it.each(…)('…'`, `check('…'`, or a judgement's `title: '…'`. */
export function filesWith(title: string): string[] {
  const found = new RegExp(`(?:\\b(?:it|check)\\(|\\)\\(|\\btitle:)\\s*(['"\`])${escaped(title)}\\1`);
  return sources.filter(({ text }) => found.test(text)).map(({ file }) => file);
}
