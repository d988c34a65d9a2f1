import { type OpenDiskFile, openDiskFile } from '../../src/ledger/disk.ts';

type Operation = 'open' | 'write' | 'sync' | 'truncate';

/** The real disk, counting what is asked of it, and failing where a test says so. */
export class FaultyDisk {
  readonly calls: { operation: Operation; path: string; bytes: number }[] = [];
  /** Return an errno name to make an operation fail. A write that fails has left half of its bytes behind. */
  fault: (operation: Operation, path: string) => string | undefined = () => undefined;

  readonly open: OpenDiskFile = async (path, create) => {
    this.#check('open', path, 0);
    const file = await openDiskFile(path, create);
    return {
      write: async (bytes, position) => {
        try {
          this.#check('write', path, bytes.length);
        } catch (error) {
          await file.write(bytes.subarray(0, bytes.length / 2), position);
          throw error;
        }
        await file.write(bytes, position);
      },
      sync: async () => {
        this.#check('sync', path, 0);
        await file.sync();
      },
      truncate: async (length) => {
        this.#check('truncate', path, 0);
        await file.truncate(length);
      },
      close: () => file.close(),
    };
  };

  count(operation: Operation, name: string): number {
    return this.calls.filter((call) => call.operation === operation && call.path.endsWith(name)).length;
  }

  #check(operation: Operation, path: string, bytes: number): void {
    this.calls.push({ operation, path, bytes });
    const code = this.fault(operation, path);
    if (code !== undefined) throw Object.assign(new Error(`${code}: injected, ${operation} ${path}`), { code });
  }
}
