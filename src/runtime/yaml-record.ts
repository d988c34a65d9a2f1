import type { Document } from 'yaml';
import { isMap, isPair, isSeq } from 'yaml';
import { IdentityError } from '../errors.ts';
import { readYaml } from './yaml.ts';

/** One mapping of names to values, with the line on which each stands. */
export interface YamlRecord {
  readonly value: object;
  /** Of the innermost part of `path` that is there. */
  lineOf(path: readonly PropertyKey[]): number;
}

/** @throws IdentityError 'invalid-argument' as `line N: …` */
export function readYamlRecord(text: string, longest: number): YamlRecord {
  if (text.length > longest) throw refusal(1, `the file exceeds ${longest} characters`);
  const { documents, fault, lineOf } = readYaml(text);
  if (fault !== undefined) throw refusal(fault.line, `not YAML: ${fault.message}`);
  const [document, another] = documents;
  if (another !== undefined) throw refusal(lineOf(another.range[0]), 'one document is enough');
  const value: unknown = (document && plain(document)) ?? {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refusal(1, 'it is not a mapping of names to values');
  }
  return { value, lineOf: (path) => lineOf(offsetOf(document, path)) };
}

/** Aliases are how a few lines of YAML become gigabytes. */
function plain(document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch {
    throw refusal(1, 'YAML aliases are not taken; write the values out');
  }
}

function offsetOf(document: Document | undefined, path: readonly PropertyKey[]): number {
  let [node, offset] = [document?.contents as unknown, 0];
  for (const part of path) {
    const next = isMap(node)
      ? node.items.find(({ key }) => keyOf(key) === String(part))
      : isSeq(node)
        ? node.items[Number(part)]
        : undefined;
    if (next === undefined) break;
    offset = startOf(isPair(next) ? next.key : next) ?? offset;
    node = isPair(next) ? next.value : next;
  }
  return offset;
}

const keyOf = (key: unknown): string =>
  String(typeof key === 'object' && key !== null ? Reflect.get(key, 'value') : key);

function startOf(node: unknown): number | undefined {
  const range: unknown = typeof node === 'object' && node !== null ? Reflect.get(node, 'range') : undefined;
  return Array.isArray(range) ? Number(range[0]) : undefined;
}

const refusal = (line: number, message: string): IdentityError =>
  new IdentityError('invalid-argument', `line ${line}: ${message}`);
