/**
 * I2: what was acknowledged is there, and what was refused with the word that nothing was changed is not. An order that
 * got no answer may have been carried out or not; the first look afterwards says which, and it stays so.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { EntryState, Order } from '../history.ts';
import type { Event, Evidence } from './files.ts';
import type { Findings } from './report.ts';

type Asked = Extract<Event, { t: 'ask' }>;

interface Person {
  readonly id: string;
  readonly enabled: boolean;
}

export function checkRegistry(evidence: Evidence, findings: Findings): void {
  const model = new Model(findings);
  for (const event of evidence.history) model.hear(event);
  const { entries, people } = database(join(evidence.data, 'registry.db'));
  model.look(entries, people, 'the database file');
}

class Model {
  readonly #findings: Findings;
  #entries = new Map<string, EntryState>();
  #people = new Map<string, boolean>();
  /** Asked and not answered, in order. */
  #open: Asked[] = [];

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  hear(event: Event): void {
    if (event.t === 'ask') this.#open.push(event);
    if (event.t === 'done') this.#done(event.op, event.entry);
    if (event.t === 'refused') this.#refused(event);
    if (event.t === 'state')
      this.look(event.entries, event.people, `what was listed at ${new Date(event.at).toISOString()}`);
  }

  look(entries: readonly EntryState[], people: readonly Person[], where: string): void {
    const found = new Map(entries.map((entry) => [entry.id, entry]));
    const open = this.#open.splice(0);
    for (const [at, asked] of open.entries()) {
      // Of several orders about one entry that got no answer, each may have counted it on by one.
      const earlier = open
        .slice(0, at)
        .filter((other) => other.do === 'update-entry' && subjectOf(other) === subjectOf(asked));
      this.#settle(asked, found, people, earlier.length);
    }
    for (const [id, entry] of this.#entries) this.#same(found.get(id), entry, where);
    for (const [id, entry] of found) {
      const known = this.#entries.has(id);
      this.#findings.must(
        known,
        'I2',
        () => `${where} has the entry ${id} (${entry.description}), which nobody made or which was deleted`,
      );
    }
    for (const [person, enabled] of this.#people) {
      const now = people.find(({ id }) => id === person)?.enabled;
      this.#findings.must(now === enabled, 'I2', () => `${where}: ${person} is ${now}, acknowledged was ${enabled}`);
    }
    this.#findings.count('looks at the registry');
  }

  #same(found: EntryState | undefined, expected: EntryState, where: string): void {
    this.#findings.must(
      text(found) === text(expected),
      'I2',
      () => `${where} has ${text(found)}, acknowledged was ${text(expected)}`,
    );
  }

  #take(op: number): Asked | undefined {
    const index = this.#open.findIndex((asked) => asked.op === op);
    return index < 0 ? undefined : this.#open.splice(index, 1)[0];
  }

  #done(op: number, entry: EntryState | undefined): void {
    const asked = this.#take(op);
    this.#findings.count('acknowledged writes');
    // Whatever became of an earlier order about the same thing, this one came after it.
    if (asked !== undefined) this.#open = this.#open.filter((earlier) => subjectOf(earlier) !== subjectOf(asked));
    if (entry !== undefined) this.#entries.set(entry.id, entry);
    else if (asked?.do === 'delete-entry') this.#entries.delete(asked.id);
    else if (asked?.do === 'add-person') this.#people.set(asked.person, true);
    else if (asked?.do === 'set-person') this.#people.set(asked.person, asked.enabled);
  }

  #refused({ op, code, text }: Extract<Event, { t: 'refused' }>): void {
    // UNKNOWN and INTERNAL are for what nobody thought of; the test's own client says -1.
    this.#findings.must(
      code !== 2 && code !== 13 && code !== -1,
      'I12',
      () => `order ${op} was answered with ${code}: ${text}`,
    );
    this.#findings.count('refused or unanswered writes');
    const certain = text.includes('nothing was changed') || [3, 5, 6, 9].includes(code);
    if (certain) this.#take(op);
  }

  /** An order without an answer: was it carried out? */
  #settle(
    asked: Order & { readonly op: number },
    found: ReadonlyMap<string, EntryState>,
    people: readonly Person[],
    earlier: number,
  ): void {
    if (asked.do === 'delete-entry' && !found.has(asked.id)) this.#entries.delete(asked.id);
    if (asked.do === 'add-person' && people.some(({ id }) => id === asked.person)) this.#people.set(asked.person, true);
    if (asked.do === 'set-person') {
      const now = people.find(({ id }) => id === asked.person)?.enabled;
      if (now !== undefined) this.#people.set(asked.person, now);
    }
    if (asked.do !== 'create-entry' && asked.do !== 'update-entry') return;
    const made = [...found.values()].find(({ description }) => description === `op ${asked.op}`);
    if (made === undefined) return;
    this.#findings.must(
      isWhole(asked, made, this.#entries.get(made.id), earlier),
      'I2',
      () => `order ${asked.op} was carried out by halves: ${text(made)}`,
    );
    this.#entries.set(made.id, made);
  }
}

const subjectOf = (order: Asked): string | number => {
  if (order.do === 'add-person' || order.do === 'set-person') return order.person;
  return order.do === 'update-entry' || order.do === 'delete-entry' ? order.id : order.op;
};

function isWhole(
  asked: Extract<Order, { do: 'create-entry' | 'update-entry' }>,
  made: EntryState,
  before: EntryState | undefined,
  earlier: number,
): boolean {
  if (asked.do === 'update-entry') {
    const { revision } = made;
    const steps = revision - (before?.revision ?? 0);
    return (
      made.id === asked.id &&
      steps >= 1 &&
      steps <= 1 + earlier &&
      text(made) === text({ ...(before ?? made), description: asked.description, hint: asked.hint, revision })
    );
  }
  return text(made) === text({ ...asked.entry, id: made.id, revision: 1 });
}

/** Members in one order, however they came. */
const text = (entry: EntryState | undefined): string =>
  entry === undefined
    ? 'nothing'
    : JSON.stringify(Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1))));

function database(path: string): { readonly entries: EntryState[]; readonly people: Person[] } {
  const file = new DatabaseSync(path);
  try {
    const entries = file
      .prepare('select * from entries')
      .all()
      .map((row) => ({
        id: String(row['id']),
        spiffeId: String(row['spiffe_id']),
        selectors: JSON.parse(String(row['selectors'])) as string[],
        owner: String(row['owner']),
        description: String(row['description']),
        hint: String(row['hint']),
        audiences: JSON.parse(String(row['audiences'])) as string[],
        x509SvidTtl: Number(row['x509_svid_ttl']),
        jwtSvidTtl: Number(row['jwt_svid_ttl']),
        expiresAt: Number(row['expires_at'] ?? 0),
        revision: Number(row['revision']),
      }));
    const people = file.prepare('select id, enabled from people').all();
    return { entries, people: people.map((row) => ({ id: String(row['id']), enabled: row['enabled'] === 1 })) };
  } finally {
    file.close();
  }
}
