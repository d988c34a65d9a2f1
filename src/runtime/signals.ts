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
