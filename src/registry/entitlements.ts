import { type Entry, matches } from '../spiffe/entry.ts';
import type { Selector } from '../spiffe/selector.ts';

/**
 * Finds the entries whose selectors a caller has all of, without looking at the others.
 *
 * A set-trie: an entry is filed along its selectors, which are sorted, and a search goes down only by selectors that the
 * caller has. So what a search costs depends on how many of its own selectors lead somewhere, never on how many entries
 * share one of them. (Filing each entry under its rarest selector is simpler and fails when the rarest is not rare:
 * entries that all need the same two selectors cost everybody who has one of them a walk over all.)
 */
export class Entitlements {
  readonly #root = new Branch();

  add(entry: Entry): void {
    // It would match every caller.
    if (entry.selectors.length === 0) throw new TypeError('an entry without selectors cannot be filed');
    file(this.#root, entry, entry.selectors, 0);
  }

  /** The very object that was added. */
  remove(entry: Entry): void {
    unfile(this.#root, entry, entry.selectors, 0);
  }

  /** In no particular order. */
  matching(selectors: ReadonlySet<Selector>): Entry[] {
    const found: Entry[] = [];
    collect(this.#root, selectors, found);
    return found;
  }
}

/** `entries` end here; a child that nobody shares yet is the entry itself, its further selectors still unsplit. */
class Branch {
  entries: Set<Entry> | undefined;
  children: Map<Selector, Entry | Branch> | undefined;
}

function file(node: Branch, entry: Entry, path: readonly Selector[], depth: number): void {
  const selector = path[depth];
  if (selector === undefined) {
    node.entries ??= new Set();
    node.entries.add(entry);
    return;
  }
  node.children ??= new Map();
  const child = node.children.get(selector);
  if (child === undefined) node.children.set(selector, entry);
  else file(child instanceof Branch ? child : split(node.children, selector, child, depth), entry, path, depth + 1);
}

/** Two entries share the path so far: the one that was alone moves one level down. */
function split(children: Map<Selector, Entry | Branch>, selector: Selector, alone: Entry, depth: number): Branch {
  const node = new Branch();
  children.set(selector, node);
  file(node, alone, alone.selectors, depth + 1);
  return node;
}

/** True when nothing is left below `node`. */
function unfile(node: Branch, entry: Entry, path: readonly Selector[], depth: number): boolean {
  const selector = path[depth];
  if (selector === undefined) {
    node.entries?.delete(entry);
    if (node.entries?.size === 0) node.entries = undefined;
  } else {
    const child = node.children?.get(selector);
    const gone = child instanceof Branch ? unfile(child, entry, path, depth + 1) : child === entry;
    if (gone) node.children?.delete(selector);
    if (node.children?.size === 0) node.children = undefined;
  }
  return node.entries === undefined && node.children === undefined;
}

function collect(node: Branch, selectors: ReadonlySet<Selector>, found: Entry[]): void {
  if (node.entries !== undefined) for (const entry of node.entries) found.push(entry);
  if (node.children === undefined) return;
  for (const selector of selectors) {
    const child = node.children.get(selector);
    if (child === undefined) continue;
    if (child instanceof Branch) collect(child, selectors, found);
    else if (matches(child, selectors)) found.push(child);
  }
}
