import { constants } from 'node:os';

/** Resolves with the name of the first signal that asks the process to end; a second one ends it without ceremony. */
export const endRequested = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    let asked = false;
    const ask = (signal: NodeJS.Signals): void => {
      if (asked) process.exit(1);
      asked = true;
      resolve(signal);
    };
    process.on('SIGTERM', ask);
    process.on('SIGINT', ask);
  });

/** An event loop with nothing to do would end; a server waits. */
export function stayAlive(): Disposable {
  const timer = setInterval(() => undefined, 2 ** 30);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Calls `asked` at each SIGHUP, until disposed. */
export function onHangup(asked: () => void): Disposable {
  process.on('SIGHUP', asked);
  return { [Symbol.dispose]: () => void process.off('SIGHUP', asked) };
}

const endings = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const;

/** Until disposed: a signal that asks for the end has `tidy` run before it, and then ends the process as it would have. */
export function tidyBeforeEnd(tidy: () => void): Disposable {
  const end = (signal: NodeJS.Signals): void => {
    tidy();
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of endings) process.on(signal, end);
  return {
    [Symbol.dispose]: () => {
      for (const signal of endings) process.off(signal, end);
    },
  };
}
