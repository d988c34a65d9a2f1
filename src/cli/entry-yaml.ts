import { type Document, isMap, isSeq, type Node, type ParsedNode } from 'yaml';
import { readYaml } from '../runtime/yaml.ts';
import { badLine } from './entry-file.ts';

const mostAliases = 100;

/**
 * Entries of a YAML (so also JSON) file: a list, a mapping with the one key `entries`, single entries as documents of
 * their own, or any of these one after the other.
 */
export function entriesOfYaml(name: string, text: string): { values: unknown[]; lineOf(index: number): number } {
  const { documents, fault, lineOf } = readYaml(text);
  if (fault !== undefined) throw badLine(name, fault.line, `not YAML: ${fault.message}`);
  const values: unknown[] = [];
  const offsets: number[] = [];
  for (const document of documents) {
    for (const item of itemsOf(document.contents)) {
      const offset = item.range?.[0] ?? 0;
      values.push(plain(item, document, (message) => badLine(name, lineOf(offset), message)));
      offsets.push(offset);
    }
  }
  return { values, lineOf: (index) => lineOf(offsets[index] ?? 0) };
}

/** An alias to nothing, or to too much, shows only here. */
function plain(item: Node, document: Document, refusal: (message: string) => Error): unknown {
  try {
    return item.toJS(document, { maxAliasCount: mostAliases });
  } catch (error) {
    throw refusal(`not YAML: ${(error as Error).message}`);
  }
}

function itemsOf(contents: ParsedNode | null): readonly Node[] {
  if (contents === null) return [];
  const listed = isMap(contents) && contents.items.length === 1 ? contents.get('entries', true) : undefined;
  const list = isSeq(listed) ? listed : contents;
  return isSeq(list) ? (list.items as Node[]) : [contents];
}
