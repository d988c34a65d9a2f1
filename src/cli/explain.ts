import type { Command } from 'commander';
import { adminLeaf } from './admin-leaf.ts';
import { type EntryDocument, type ExplanationDocument, explanationDocument } from './documents.ts';
import { parsed } from './leaf.ts';
import { parsePid } from './number.ts';
import * as shapes from './shapes.ts';
import { facts, moment, plural, printable } from './text.ts';

export function define(command: Command): void {
  command.requiredOption('--pid <pid>', 'the process to look at', parsed(parsePid));
  adminLeaf<[], { pid: number }>(command, {
    does: 'say why a process gets an identity, or does not',
    about:
      'Attests the process as a connection of it would be attested, and shows its selectors, the entries that match ' +
      'all of theirs, and the nearest that do not, with the first selector missing.',
    prints: shapes.explanation,
    examples: ['mayfly explain --pid 4711'],
    ask: async (admin, _, { pid }) => {
      const document = explanationDocument(await admin.ask(admin.client.explain, { pid }));
      return { document, text: explanation(document) };
    },
  });
}

function explanation(found: ExplanationDocument): string {
  const who = facts([
    ['process', `${found.pid}, uid ${found.uid}, gid ${found.gid}`],
    ['program', found.path],
    ['started', moment(found.startedAt)],
  ]);
  return `${who}\nAttested selectors:\n${indented(found.selectors)}\n${owed(found.matched)}${nearest(found.near)}`;
}

function owed(matched: readonly EntryDocument[]): string {
  if (matched.length === 0) return 'It is owed nothing: no entry matches.\n';
  const entries = matched.map((entry) => `${entry.spiffeId}  (entry ${entry.id}, owner ${entry.owner})`);
  return `It is owed ${plural(matched.length, 'identity', 'identities')}:\n${indented(entries)}`;
}

function nearest(near: ExplanationDocument['near']): string {
  if (near.length === 0) return '';
  const lines = near.map(({ entry, ...why }) => `${entry.spiffeId}  (entry ${entry.id}): ${reasonOf(entry, why)}`);
  return `\nNearest that ${near.length === 1 ? 'does' : 'do'} not match:\n${indented(lines)}`;
}

function reasonOf(entry: EntryDocument, why: Omit<ExplanationDocument['near'][number], 'entry'>): string {
  if (why.reason === 'expired') return `the entry expired ${moment(entry.expiresAt)}`;
  if (why.reason === 'owner-disabled') return `its owner ${entry.owner} is disabled`;
  if (why.missingSelector === null) return why.reason;
  const more = why.missing > 1 ? ` and ${why.missing - 1} more` : '';
  return `the process lacks ${why.missingSelector}${more}`;
}

const indented = (lines: readonly string[]): string =>
  lines.map((line) => `  ${printable(line).replaceAll('\n', '\\n')}\n`).join('');
