import type { CompiledQuery, Transaction } from 'kysely';
import { IdentityError } from '../errors.ts';
import type { AudiencePolicy } from '../spiffe/audience.ts';
import type { Entry } from '../spiffe/entry.ts';
import type { Change, Step } from './contents.ts';
import { isConstraint } from './database-error.ts';
import type { ForeignBundle } from './foreign-bundle.ts';
import type { Person } from './person.ts';
import type { Relationship } from './relationship.ts';
import { audienceRow, entryRow, foreignBundleRow, personRow, relationshipRow, type Sealed } from './rows.ts';
import type { EntryRow, RegistryRow, Tables } from './schema.ts';
import type { RowSealer, Sum } from './seal.ts';

/** Writes the rows of one transaction and keeps their sum. Each statement must find the very row that memory knows. */
export class RowWriter {
  readonly #transaction: Transaction<Tables>;
  readonly #change: Change;
  readonly #sealer: RowSealer;
  readonly #sum: Sum;
  #insertEntry: CompiledQuery | undefined;

  constructor(transaction: Transaction<Tables>, change: Change, sealer: RowSealer, sum: Sum) {
    this.#transaction = transaction;
    this.#change = change;
    this.#sealer = sealer;
    this.#sum = sum;
  }

  async person(before: Person | undefined, after: Person): Promise<void> {
    const { row, weight } = personRow(after, this.#sealer);
    this.#sum.toggle(weight);
    if (before === undefined) {
      await this.#transaction.insertInto('people').values(row).execute();
      return;
    }
    const old = personRow(before, this.#sealer);
    this.#sum.toggle(old.weight);
    const update = this.#transaction.updateTable('people').set(row);
    const { numUpdatedRows } = await update
      .where('id', '=', before.id)
      .where('seal', '=', old.row.seal)
      .executeTakeFirst();
    exactlyOne(numUpdatedRows, `people/${before.id}`);
  }

  async entry(before: Entry | undefined, after: Entry | undefined): Promise<void> {
    const next = after && entryRow(after, this.#sealer);
    const old = before && entryRow(before, this.#sealer);
    for (const sealed of [old, next]) if (sealed !== undefined) this.#sum.toggle(sealed.weight);
    try {
      if (next === undefined) await this.#delete(old?.row);
      else if (old === undefined) await this.#insert(next.row);
      else await this.#update(old.row, next.row);
    } catch (error) {
      throw next !== undefined && isConstraint(error) ? await this.#duplicate(next.row, error) : error;
    }
  }

  async relationship(step: Step<Relationship>): Promise<void> {
    const { old, next } = this.#weigh(step, (one) => relationshipRow(one, this.#sealer));
    if (old !== undefined) await this.#take('relationships', old);
    if (next !== undefined) await this.#transaction.insertInto('relationships').values(next).execute();
  }

  async bundle(step: Step<ForeignBundle>): Promise<void> {
    const { old, next } = this.#weigh(step, (one) => foreignBundleRow(one, this.#sealer));
    if (old !== undefined) await this.#take('foreign_bundles', old);
    if (next !== undefined) await this.#transaction.insertInto('foreign_bundles').values(next).execute();
  }

  async audience({ before, after }: Step<AudiencePolicy>): Promise<void> {
    const { old, next } = this.#weigh({ before, after }, (one) => audienceRow(one, this.#sealer));
    if (old !== undefined) {
      const deletion = this.#transaction.deleteFrom('audiences').where('name', '=', old.name);
      exactlyOne(
        (await deletion.where('seal', '=', old.seal).executeTakeFirst()).numDeletedRows,
        `audiences/${old.name}`,
      );
    }
    if (next !== undefined) await this.#transaction.insertInto('audiences').values(next).execute();
  }

  async registry(row: RegistryRow, previous: number): Promise<void> {
    const update = this.#transaction.updateTable('registry').set(row).where('version', '=', previous);
    exactlyOne((await update.executeTakeFirst()).numUpdatedRows, 'registry');
  }

  #weigh<T, Row>({ before, after }: Step<T>, seal: (one: T) => Sealed<Row>) {
    const [old, next] = [before, after].map((one) => (one === undefined ? undefined : seal(one)));
    for (const sealed of [old, next]) if (sealed !== undefined) this.#sum.toggle(sealed.weight);
    return { old: old?.row, next: next?.row };
  }

  /** Few and seldom changed, unlike entries: a row is replaced by taking it out and putting the new one in. */
  async #take(
    table: 'relationships' | 'foreign_bundles',
    old: { readonly trust_domain: string; readonly seal: string },
  ): Promise<void> {
    const deletion = this.#transaction.deleteFrom(table).where('trust_domain', '=', old.trust_domain);
    const { numDeletedRows } = await deletion.where('seal', '=', old.seal).executeTakeFirst();
    exactlyOne(numDeletedRows, `${table}/${old.trust_domain}`);
  }

  /** The query is built for the first row; for the others only its parameters change. */
  async #insert(row: EntryRow): Promise<void> {
    this.#insertEntry ??= this.#transaction.insertInto('entries').values(row).compile();
    await this.#transaction.executeQuery({ ...this.#insertEntry, parameters: Object.values(row) });
  }

  async #update(old: EntryRow, next: EntryRow): Promise<void> {
    const update = this.#transaction.updateTable('entries').set(next);
    const { numUpdatedRows } = await update.where('id', '=', old.id).where('seal', '=', old.seal).executeTakeFirst();
    exactlyOne(numUpdatedRows, `entries/${old.id}`);
  }

  async #delete(old: EntryRow | undefined): Promise<void> {
    if (old === undefined) return;
    const deletion = this.#transaction.deleteFrom('entries').where('id', '=', old.id).where('seal', '=', old.seal);
    exactlyOne((await deletion.executeTakeFirst()).numDeletedRows, `entries/${old.id}`);
  }

  async #duplicate(row: EntryRow, cause: unknown): Promise<unknown> {
    const query = this.#transaction.selectFrom('entries').select('id').where('identity', '=', row.identity);
    const twin = (await query.executeTakeFirst())?.id;
    if (twin === undefined) return cause;
    const [first, second] = [twin, row.id].map(
      (id) => 1 + this.#change.entries.findIndex(({ after }) => after?.id === id),
    );
    const message =
      first === 0
        ? `entry ${twin} gives ${row.spiffe_id} to these selectors already: mayfly entry update ${twin}`
        : `entry ${second} repeats entry ${first}: the same SPIFFE ID and the same selectors; leave one out`;
    return new IdentityError('already-exists', message, { cause, reason: 'entry-exists' });
  }
}

/** Law of conditional writes: anything else means that somebody changed the file behind our back. */
function exactlyOne(rows: bigint, name: string): void {
  if (rows !== 1n) {
    throw new IdentityError(
      'data-loss',
      `the row ${name} is not on disk as it is in memory: restart, and it is examined`,
    );
  }
}
