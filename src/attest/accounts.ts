/** Names of users and groups as the host's own files tell them; read again only when a file has changed. */
import { readFileSync, statSync } from 'node:fs';

export interface Accounts {
  user(uid: number): string | undefined;
  group(gid: number): string | undefined;
}

export const hostAccounts = (): Accounts => {
  const users = new NameFile('/etc/passwd');
  const groups = new NameFile('/etc/group');
  return { user: (uid) => users.name(uid), group: (gid) => groups.name(gid) };
};

/** A colon-separated file whose first column is a name and whose third is a number. The first line for a number wins. */
class NameFile {
  readonly #path: string;
  #version = '';
  #names: ReadonlyMap<number, string> = new Map();

  constructor(path: string) {
    this.#path = path;
  }

  name(id: number): string | undefined {
    const stats = statSync(this.#path, { throwIfNoEntry: false });
    const version = stats === undefined ? '' : `${stats.ino}:${stats.size}:${stats.mtimeMs}`;
    if (version !== this.#version) {
      this.#names = stats === undefined ? new Map() : parseNames(readFileSync(this.#path, 'utf8'));
      this.#version = version;
    }
    return this.#names.get(id);
  }
}

export function parseNames(text: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const line of text.split('\n')) {
    const [name, , id] = line.split(':');
    if (name && id !== undefined && /^\d+$/.test(id) && !names.has(Number(id))) names.set(Number(id), name);
  }
  return names;
}
