import type { Command } from 'commander';
import { adminLeaf } from './admin-leaf.ts';
import { type PersonDocument, personDocument } from './documents.ts';
import * as shapes from './shapes.ts';
import { facts, moment, plural, table } from './text.ts';

export function define(person: Command): void {
  add(person.command('add <id>'));
  list(person.command('list'));
  show(person.command('show <id>'));
  setEnabled(person.command('disable <id>'), false);
  setEnabled(person.command('enable <id>'), true);
}

function add(command: Command): void {
  command.requiredOption('--name <name>', 'full name, for other people');
  command.option('--email <address>', 'where to reach them');
  adminLeaf<[id: string], { name: string; email?: string }>(command, {
    does: 'make a person known who can own registration entries',
    prints: shapes.person,
    examples: ['mayfly person add ada --name "Ada Byron" --email ada@example.org'],
    ask: async (admin, [id], { name, email = '' }) => {
      const added = personDocument(await admin.ask(admin.client.addPerson, { id, name, email }));
      return { document: added, text: `Added ${added.id}.\n` };
    },
  });
}

function list(command: Command): void {
  adminLeaf(command, {
    does: 'list everybody, with the number of entries they own',
    prints: shapes.people,
    ask: async (admin) => {
      const { people } = await admin.ask(admin.client.listPeople, {});
      const documents = people.map(personDocument);
      return { document: { people: documents }, text: peopleTable(documents) };
    },
  });
}

function show(command: Command): void {
  adminLeaf<[id: string], object>(command, {
    does: 'show one person',
    prints: shapes.person,
    ask: async (admin, [id]) => {
      const person = personDocument(await admin.ask(admin.client.getPerson, { id }));
      return { document: person, text: onePerson(person) };
    },
  });
}

function setEnabled(command: Command, enabled: boolean): void {
  adminLeaf<[id: string], object>(command, {
    does: enabled ? 'let the entries of a person work again' : 'stop issuance for every entry of a person, at once',
    prints: shapes.person,
    ask: async (admin, [id]) => {
      const person = personDocument(await admin.ask(admin.client.setPersonEnabled, { id, enabled }));
      const owns = `who owns ${plural(person.entries, 'entry', 'entries')}`;
      const effect = enabled ? 'issuance goes on' : 'nothing is issued for them any more';
      return { document: person, text: `${enabled ? 'Enabled' : 'Disabled'} ${person.id}, ${owns}: ${effect}.\n` };
    },
  });
}

const onePerson = (person: PersonDocument): string =>
  facts([
    ['id', person.id],
    ['name', person.name],
    ['email', person.email],
    ['state', stateOf(person)],
    ['entries', String(person.entries)],
    ['added', moment(person.createdAt)],
  ]);

function peopleTable(people: readonly PersonDocument[]): string {
  if (people.length === 0) return 'There is nobody yet. Add a person: mayfly person add ada --name "Ada Byron"\n';
  const rows = people.map((p) => [p.id, p.name, p.email, stateOf(p), String(p.entries), moment(p.createdAt)]);
  return table(['ID', 'NAME', 'EMAIL', 'STATE', 'ENTRIES', 'ADDED'], rows);
}

const stateOf = (person: PersonDocument): string => (person.enabled ? 'enabled' : 'disabled');
