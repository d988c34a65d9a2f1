/**
 * One thing that many users want, in turn: whoever comes waits for one piece of work of each other user, however much
 * of it one of them has ordered (R-PEER-7). A few pieces are worked on at a time, never two of one user: so a piece that
 * takes for ever holds up its user alone.
 */
export class Turns<User> {
  readonly #longest: number;
  readonly #lanes: number;
  /** In the order of who is next. */
  readonly #queues = new Map<User, (() => Promise<unknown>)[]>();
  readonly #busy = new Set<User>();

  /** @param longest how many pieces of one user may wait */
  constructor(longest: number, lanes = 1) {
    this.#longest = longest;
    this.#lanes = lanes;
  }

  /** The outcome of `work`, when it had its turn; undefined at once when too much of this user's waits already. */
  take<T>(user: User, work: () => Promise<T>): Promise<T> | undefined {
    const queue = this.#queues.get(user) ?? [];
    if (queue.length >= this.#longest) return undefined;
    const outcome = new Promise<T>((resolve, reject) => queue.push(() => work().then(resolve, reject)));
    this.#queues.set(user, queue);
    this.#fill();
    return outcome;
  }

  #fill(): void {
    for (const [user, queue] of this.#queues) {
      if (this.#busy.size >= this.#lanes) return;
      if (this.#busy.has(user)) continue;
      const work = queue.shift();
      // Behind everybody who waits: iteration comes to entries that were added meanwhile.
      this.#queues.delete(user);
      if (queue.length > 0) this.#queues.set(user, queue);
      if (work !== undefined) void this.#run(user, work);
    }
  }

  async #run(user: User, work: () => Promise<unknown>): Promise<void> {
    this.#busy.add(user);
    await work();
    this.#busy.delete(user);
    this.#fill();
  }
}
