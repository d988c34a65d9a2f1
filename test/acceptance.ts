/**
 * Which test proves which row of the acceptance table (docs: the SPIFFE standards, as numbered rows in
 * test/vectors/acceptance.json). A test proves a row by naming its id in its title; so does a check of the interop run.
 *
 *   node test/acceptance.ts          the MUST rows of sections 8.1 to 8.6; fails when one has no test
 *   node test/acceptance.ts --all    every row of every level, for reading
 */
import { globSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Row {
  readonly id: string;
  readonly section: string;
  readonly level: string;
  readonly roles: readonly string[];
  readonly requirement: string;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const everything = process.argv.includes('--all');
const rows = JSON.parse(readFileSync(new URL('vectors/acceptance.json', import.meta.url), 'utf8')) as Row[];
const proofs = proofsIn(globSync(['src/**/*.test.ts', 'test/**/*.test.ts', 'test/interop/*.ts'], { cwd: root }));

const shown = rows.filter((row) => everything || required(row));
const missing = shown.filter((row) => !proofs.has(row.id));
for (const row of shown.filter((row) => proofs.has(row.id))) {
  print(`${row.id}  ${row.level.padEnd(10)} ${row.requirement}\n         ${proofs.get(row.id)?.join('\n         ')}`);
}
print(missing.length === 0 ? `\nrows without a test: none` : `\nrows without a test:`);
for (const row of missing)
  print(`${row.id}  ${row.level.padEnd(10)} ${row.roles.join(' ').padEnd(5)} ${row.requirement}`);
const unmet = missing.filter(required);
print(
  `\nacceptance: ${rows.filter(required).length - unmet.length} of ${rows.filter(required).length} required rows proven`,
);
process.exitCode = unmet.length === 0 ? 0 : 1;

/** MUST rows of sections 8.1 to 8.6 about a server, issuer, validator, client or bundle publisher; the WIT profile is off. */
function required({ id, section, level, roles }: Row): boolean {
  const witProfile = id.startsWith('WR-') && id !== 'WR-01' && id !== 'WR-02';
  const concerned = roles.some((role) => ['S', 'I', 'V', 'C', 'BP'].includes(role));
  return /^8\.[1-6]$/.test(section) && level.startsWith('MUST') && concerned && !witProfile && !id.startsWith('FD-');
}

/** Row id to the places, `file:line title`, of the tests that name it. Skipped tests prove nothing. */
function proofsIn(files: readonly string[]): Map<string, string[]> {
  const title = /(?:\b(?:it|test|describe|check)((?:\.\w+)*)|\))\s*\(\s*(['"`])((?:\\.|(?!\2)[\s\S])*)\2/g;
  const found = new Map<string, string[]>();
  for (const file of files) {
    const source = readFileSync(`${root}/${file}`, 'utf8');
    for (const match of source.matchAll(title)) {
      const [whole, modifiers = '', , text = ''] = match;
      if (/\.(skip|todo)$/.test(modifiers)) continue;
      const line = source.slice(0, match.index + whole.indexOf(text)).split('\n').length;
      for (const [id] of text.matchAll(/\b[A-Z]{2}-\d\d\b/g)) {
        found.set(id, [...(found.get(id) ?? []), `${relative('.', file)}:${line} ${text.replace(/\s+/g, ' ')}`]);
      }
    }
  }
  return found;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
