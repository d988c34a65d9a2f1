/**
 * Members that come and go by the thousand. A `Set` would do, and each time it makes room it leaves its old table behind
 * pointing to the new one. Once such a table has grown old, every later one is kept for its sake, with all that was ever
 * in them, until the next full collection (docs/decisions/0010-what-comes-and-goes.md). An array leaves nothing behind.
 */
export interface Member {
  /** Where it stands in its roster; written by the roster alone. */
  place: number;
}

/** Each member in one roster at a time. In no particular order. */
export class Roster<T extends Member> {
  readonly #members: T[] = [];

  get size(): number {
    return this.#members.length;
  }

  get last(): T | undefined {
    return this.#members.at(-1);
  }

  add(member: T): void {
    member.place = this.#members.push(member) - 1;
  }

  /** The last one takes its place. */
  delete(member: T): void {
    if (this.#members[member.place] !== member) return;
    const last = this.#members.pop() as T;
    if (last === member) return;
    this.#members[member.place] = last;
    last.place = member.place;
  }

  /** As they are now: whoever goes through them may add and delete. */
  all(): T[] {
    return [...this.#members];
  }
}
