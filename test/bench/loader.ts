/** Starts a load maker and gives it its orders. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Order, Rate, Report, Target } from './load.ts';

export class Loader implements Disposable {
  readonly #child: ChildProcess = fork(join(import.meta.dirname, 'load.ts'));

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async rate(order: Extract<Order, { kind: 'calls' | 'connects' }>): Promise<Rate> {
    const report = await this.#ask(order);
    if (!('done' in report)) throw new Error('the load maker answered something else');
    return report.done;
  }

  /** Resolves when all the streams have had their first message. */
  async hold(target: Target, streams: number): Promise<void> {
    await this.#ask({ kind: 'hold', streams, ...target });
  }

  /** Calls `heard` with the moment at which each message arrived. Resolves with the first. */
  async listen(target: Target, heard: (at: number) => void): Promise<void> {
    this.#child.on('message', (report: Report) => 'messageAt' in report && heard(report.messageAt));
    await this.#ask({ kind: 'listen', ...target });
  }

  [Symbol.dispose](): void {
    this.#child.kill();
  }

  async #ask(order: Order): Promise<Report> {
    this.#child.send(order);
    const [report] = (await once(this.#child, 'message')) as [Report];
    return report;
  }
}
