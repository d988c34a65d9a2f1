import { Composer, type CST, type Document, isScalar, LineCounter, Parser, visit } from 'yaml';

/** No file of ours has a tenth of it. The library calls itself once for each level. */
const deepest = 64;

export interface Yaml {
  readonly documents: readonly Document.Parsed[];
  /** 1 is the first. @param offset characters from the start of the text */
  lineOf(offset: number): number;
  /** The first thing that is wrong, whichever document it is in. */
  readonly fault: { readonly line: number; readonly message: string } | undefined;
}

/**
 * Reads YAML that anybody may have written, in a time that grows with its length: the library's own search for keys
 * that come twice compares each with all before it, and keys that are collections are written out once for each level.
 */
export function readYaml(text: string): Yaml {
  const lines = new LineCounter();
  const lineOf = (offset: number): number => lines.linePos(offset).line;
  const tokens = tokensOf(text, lines);
  if (tokens === undefined) {
    return { documents: [], lineOf, fault: { line: 1, message: `nested deeper than ${deepest} levels` } };
  }
  const composer = new Composer({ strict: true, uniqueKeys: false });
  const documents = [...composer.compose(tokens, false, text.length)];
  const [fault] = documents.map(faultOf).filter((one) => one !== undefined);
  return { documents, lineOf, fault: fault && { line: lineOf(fault.offset), message: fault.message } };
}

interface Fault {
  readonly offset: number;
  readonly message: string;
}

function faultOf(document: Document.Parsed): Fault | undefined {
  const [error] = document.errors;
  return error === undefined ? faultyKey(document) : { offset: error.pos[0], message: error.message };
}

/** Keys are single values, each once in its mapping (YAML 1.2.2 section 3.2.1.3). */
function faultyKey(document: Document.Parsed): Fault | undefined {
  let fault: Fault | undefined;
  visit(document, {
    Map(_, { items, range }) {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        const single = isScalar(key);
        if (single && !seen.has(key.value)) seen.add(key.value);
        else fault ??= { offset: offsetOf(key) ?? range?.[0] ?? 0, message: single ? twice : notSingle };
      }
      return fault && visit.BREAK;
    },
  });
  return fault;
}

const twice = 'a key comes twice in one mapping';
const notSingle = 'a key is not a single value';

function offsetOf(node: unknown): number | undefined {
  const range: unknown = typeof node === 'object' && node !== null ? Reflect.get(node, 'range') : undefined;
  return Array.isArray(range) ? Number(range[0]) : undefined;
}

/** Undefined when there are too many levels: the parser leaves some of them by calling itself, to the end of the stack. */
function tokensOf(text: string, lines: LineCounter): CST.Token[] | undefined {
  try {
    const tokens = [...new Parser(lines.addNewLine).parse(text)];
    return isDeeperThan(deepest, tokens) ? undefined : tokens;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function isDeeperThan(limit: number, tokens: readonly CST.Token[]): boolean {
  let level = tokens;
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limit) return true;
    level = level.flatMap(within);
  }
  return false;
}

function within(token: CST.Token): CST.Token[] {
  if (token.type === 'document') return token.value === undefined ? [] : [token.value];
  if (!('items' in token)) return [];
  return token.items.flatMap(({ key, value }) => [key, value].filter((part) => part !== undefined && part !== null));
}
