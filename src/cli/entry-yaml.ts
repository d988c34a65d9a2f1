import { type Document, isMap, isSeq, LineCounter, type Node, type ParsedNode, parseAllDocuments } from 'yaml';
import { badLine } from './entry-file.ts';

const mostAliases = 100;

/**
 * Entries of a YAML (so also JSON) file: a list, a mapping with the one key `entries`, single entries as documents of
 * their own, or any of these one after the other.
 */
export function entriesOfYaml(name: string, text: string): { values: unknown[]; lineOf(index: number): number } {
  const lines = new LineCounter();
  const values: unknown[] = [];
  const offsets: number[] = [];
  for (const document of documentsOf(name, text, lines)) {
    const [error] = document.errors;
    if (error !== undefined) throw badLine(name, lines.linePos(error.pos[0]).line, `not YAML: ${error.message}`);
    for (const item of itemsOf(document.contents)) {
      const offset = item.range?.[0] ?? 0;
      values.push(plain(item, document, (message) => badLine(name, lines.linePos(offset).line, message)));
      offsets.push(offset);
    }
  }
  return { values, lineOf: (index) => lines.linePos(offsets[index] ?? 0).line };
}

/** The library calls itself once for each level: a file that is all brackets would use up the stack. */
function documentsOf(name: string, text: string, lineCounter: LineCounter): readonly Document.Parsed[] {
  try {
    const documents = parseAllDocuments(text, { lineCounter, prettyErrors: false });
    return Array.isArray(documents) ? documents : [];
  } catch (error) {
    if (error instanceof RangeError) throw badLine(name, 1, 'not YAML: nested too deep');
    throw error;
  }
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
