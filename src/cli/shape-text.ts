import type { Shape } from './shapes.ts';
import * as shapes from './shapes.ts';

/** Shapes that others contain, written once. */
export const named: Readonly<Record<string, Shape>> = {
  Person: shapes.person,
  Entry: shapes.entry,
  Federation: shapes.federation,
  ForeignBundle: shapes.foreignBundle,
};

/** A shape as a reader of JSON would sketch it. */
export const shapeText = (shape: Shape): string => `${written(shape, '', true)}\n`;

function written(shape: Shape, indent: string, whole = false): string {
  if (typeof shape === 'string') return shape;
  const name = whole ? undefined : Object.keys(named).find((key) => named[key] === shape);
  if (name !== undefined) return name;
  if (Array.isArray(shape)) return `[${written(shape[0], indent)}, …]`;
  const fields = Object.entries(shape as Readonly<Record<string, Shape>>);
  const lines = fields.map(([key, value]) => `${indent}  "${key}": ${written(value, `${indent}  `)}`);
  return `{\n${lines.join(',\n')}\n${indent}}`;
}
