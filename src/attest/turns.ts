/**
 * One thing that many users want, in turn: whoever comes waits for one piece of work of each other user, however much
 * of it one of them has ordered (R-PEER-7).
 */
export class Turns<User> {
  readonly #longest: number;
  /** In the order of who is next. */
  readonly #queues = new Map<User, (() => Promise<unknown>)[]>();
  #working = false;

  /** @param longest how many pieces of one user may wait */
  constructor(longest: number) {
    this.#longest = longest;
  }

  /** The outcome of `work`, when it had its turn; undefined at once when too much of this user's waits already. */
  take<T>(user: User, work: () => Promise<T>): Promise<T> | undefined {
    const queue = this.#queues.get(user) ?? [];
    if (queue.length >= this.#longest) return undefined;
    const outcome = new Promise<T>((resolve, reject) => queue.push(() => work().then(resolve, reject)));
    this.#queues.set(user, queue);
    if (!this.#working) void this.#run();
    return outcome;
  }

  async #run(): Promise<void> {
    this.#working = true;
    for (const [user, queue] of this.#queues) {
      const work = queue.shift();
      // Behind everybody who waits: iteration comes to entries that were added meanwhile.
      this.#queues.delete(user);
      if (queue.length > 0) this.#queues.set(user, queue);
      await work?.();
    }
    this.#working = false;
  }
}
