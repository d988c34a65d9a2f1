/**
 * Holes of systems like this one, and what is done about each here: test/vectors/requirements.json, as a document.
 *
 *   node test/security.ts > docs/security.md
 */
import { readFileSync } from 'node:fs';
import { filesWith } from './titles.ts';

export interface Requirement {
  readonly id: string;
  /** What went wrong elsewhere. */
  readonly hole: string;
  /** What is done about it here; empty where nothing of that kind is built. */
  readonly answer: string;
  /** Titles of tests. */
  readonly tests?: readonly string[];
  /** Longer runs that try it as well. */
  readonly runs?: readonly string[];
  /** What is not built yet, and so is not done yet. */
  readonly later?: string;
}

export const requirements = JSON.parse(
  readFileSync(new URL('vectors/requirements.json', import.meta.url), 'utf8'),
) as readonly Requirement[];

/** `R-PEER-1` → the heading it stands under. */
const groups: readonly (readonly [RegExp, string])[] = [
  [/^R-(PEER|RES)-/, 'Who is on the socket'],
  [/^R-(ISS|ID|ONE)-/, 'What is issued, and to whom'],
  [/^R-(JWT|X509|PARSE|TLS)-/, 'What is believed, and what is read'],
  [/^R-(KEY|PUB)-/, 'Keys'],
  [/^R-NET-/, 'The network'],
  [/^R-(SUP|AUD)-/, 'What is built in, and what is left on record'],
];

export const securityDocument = (): string => `${introduction}
${groups.map(([ids, heading]) => section(heading, ids)).join('\n')}`;

const introduction = `<!-- Made by \`make docs\` from test/vectors/requirements.json: change that. -->
# Security: what went wrong elsewhere, and what is done here

Each row is a hole that systems of this kind have had, what mayfly does about it, and the tests that hold it to that. A
test that is named here and does not exist fails the build. What is not built yet says so. The [threat model](threat-model.md)
says against whom all this is, and what is out of scope.

Two things cannot be closed, and are said openly there: a process that exchanged its program *before* its connection was
accepted, and two processes of one user.
`;

function section(heading: string, ids: RegExp): string {
  const rows = requirements.filter(({ id }) => ids.test(id));
  return `\n## ${heading}\n\n${rows.map(entry).join('\n')}`;
}

function entry({ id, hole, answer, tests = [], runs = [], later }: Requirement): string {
  const state = answer === '' ? ' (not built yet)' : '';
  const parts = [
    `### ${id}${state}`,
    `*Elsewhere:* ${hole}`,
    ...(answer === '' ? [] : [`*Here:* ${answer}`]),
    ...(later === undefined ? [] : [`*Not built yet:* ${later}`]),
    ...(tests.length === 0 ? [] : [`*Tests:*\n\n${tests.map((title) => `- ${place(title)}: ${title}`).join('\n')}`]),
    ...(runs.length === 0 ? [] : [`*Longer runs:* ${runs.map((run) => run.replace(/^make \S+/, '`$&`')).join(', ')}`]),
  ];
  return `${parts.join('\n\n')}\n`;
}

const place = (title: string): string => {
  const files = filesWith(title);
  return files.length === 0 ? 'missing' : files.map((file) => `[${file}](../${file})`).join(', ');
};

if (import.meta.main) process.stdout.write(securityDocument());
