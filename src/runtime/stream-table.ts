/**
 * The streams of an HTTP/2 session, by their numbers, in place of the Map and the Set that `node:http2` keeps them in.
 * What a Map does to memory where entries come and go is told in `roster.ts`; here it cost half of the garbage collector's
 * time. Node's own fields are reached for, so it is done only where they are what they were when this was written.
 */
import type http2 from 'node:http2';

/** What `node:http2` asks of its tables. */
interface Table<Key, Value extends object> {
  readonly size: number;
  delete(key: Key): boolean;
  forEach(visit: (value: Value) => void): void;
}

/** Gives the session flat tables. False where Node has become another: then it keeps its own. */
export function flatten(session: http2.Http2Session): boolean {
  const state: unknown = Reflect.get(session, stateSymbolOf(session) ?? '');
  if (typeof state !== 'object' || state === null) return false;
  if (!isEmptyTable(Reflect.get(state, 'streams')) || !isEmptyTable(Reflect.get(state, 'pendingStreams'))) return false;
  return Reflect.set(state, 'streams', new StreamTable()) && Reflect.set(state, 'pendingStreams', new PendingStreams());
}

const isEmptyTable = (table: unknown): boolean =>
  typeof table === 'object' && table !== null && Reflect.get(table, 'size') === 0;

let known: symbol | undefined;

function stateSymbolOf(session: http2.Http2Session): symbol | undefined {
  known ??= Object.getOwnPropertySymbols(session).find(({ description }) => description === 'state');
  return known;
}

const free = -1;

/**
 * Open addressing: numbers in one array, values in another. A peer numbers its streams in order, so that they hardly ever
 * meet. Growing leaves the old arrays behind, which point to no new ones.
 */
export class StreamTable<Value extends object> implements Table<number, Value> {
  size = 0;
  #ids: number[] = Array<number>(8).fill(free);
  #values: (Value | undefined)[] = Array<Value | undefined>(8).fill(undefined);

  get(id: number): Value | undefined {
    return this.#values[this.#find(id)];
  }

  set(id: number, value: Value): this {
    if (2 * (this.size + 1) > this.#ids.length) this.#resize(2 * this.#ids.length);
    const at = this.#find(id);
    if (this.#ids[at] === free) this.size += 1;
    this.#ids[at] = id;
    this.#values[at] = value;
    return this;
  }

  delete(id: number): boolean {
    const at = this.#find(id);
    if (this.#ids[at] === free) return false;
    this.size -= 1;
    this.#close(at);
    return true;
  }

  forEach(visit: (value: Value) => void): void {
    for (const value of this.#values.filter((found) => found !== undefined)) visit(value);
  }

  /** Where the number stands, or the free place where it would. */
  #find(id: number): number {
    const mask = this.#ids.length - 1;
    let at = home(id, mask);
    while (this.#ids[at] !== id && this.#ids[at] !== free) at = (at + 1) & mask;
    return at;
  }

  /** Frees a place, and moves up whoever stood behind it for want of a better one. */
  #close(place: number): void {
    const mask = this.#ids.length - 1;
    let gap = place;
    for (let at = (gap + 1) & mask; this.#ids[at] !== free; at = (at + 1) & mask) {
      const way = (at - home(this.#ids[at] as number, mask)) & mask;
      if (way < ((at - gap) & mask)) continue;
      this.#ids[gap] = this.#ids[at] as number;
      this.#values[gap] = this.#values[at];
      gap = at;
    }
    this.#ids[gap] = free;
    this.#values[gap] = undefined;
  }

  #resize(length: number): void {
    const [ids, values] = [this.#ids, this.#values];
    this.#ids = Array<number>(length).fill(free);
    this.#values = Array<Value | undefined>(length).fill(undefined);
    for (const [from, id] of ids.entries()) {
      if (id === free) continue;
      const at = this.#find(id);
      this.#ids[at] = id;
      this.#values[at] = values[from];
    }
  }
}

/** Streams of a caller have odd numbers. */
const home = (id: number, mask: number): number => (id >>> 1) & mask;

/** A server's streams wait for their number for the length of one call only. */
class PendingStreams implements Table<object, object> {
  readonly #streams: object[] = [];

  get size(): number {
    return this.#streams.length;
  }

  add(stream: object): this {
    if (!this.#streams.includes(stream)) this.#streams.push(stream);
    return this;
  }

  delete(stream: object): boolean {
    const at = this.#streams.lastIndexOf(stream);
    if (at >= 0) this.#streams.splice(at, 1);
    return at >= 0;
  }

  forEach(visit: (stream: object) => void): void {
    for (const stream of [...this.#streams]) visit(stream);
  }
}
