import type { CompiledQuery, Transaction } from 'kysely';
import { IdentityError } from '../errors.ts';
import type { Entry } from '../spiffe/entry.ts';
import type { Change } from './contents.ts';
import { isConstraint } from './database-error.ts';
import type { Person } from './person.ts';
import { entryRow, personRow } from './rows.ts';
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

  async registry(row: RegistryRow, previous: number): Promise<void> {
    const update = this.#transaction.updateTable('registry').set(row).where('version', '=', previous);
    exactlyOne((await update.executeTakeFirst()).numUpdatedRows, 'registry');
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
