import type { Shape } from '../../src/cli/shapes.ts';

/** Where a document is not of the shape that the command reference promises; empty when it is. */
export function faults(value: unknown, shape: Shape, at = '$'): string[] {
  if (typeof shape === 'string') return isLeaf(value, shape) ? [] : [`${at} is not ${shape}`];
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return [`${at} is not a list`];
    return value.flatMap((item, index) => faults(item, shape[0], `${at}[${index}]`));
  }
  if (typeof value !== 'object' || value === null) return [`${at} is not an object`];
  const fields = shape as Readonly<Record<string, Shape>>;
  const extra = Object.keys(value).filter((key) => !Object.hasOwn(fields, key));
  return [
    ...extra.map((key) => `${at}.${key} is not in the reference`),
    ...Object.entries(fields).flatMap(([key, of]) =>
      faults((value as Record<string, unknown>)[key], of, `${at}.${key}`),
    ),
  ];
}

function isLeaf(value: unknown, shape: string): boolean {
  if (shape.endsWith(' | null')) return value === null || isLeaf(value, shape.slice(0, -' | null'.length));
  if (shape === 'string | absent') return value === undefined || typeof value === 'string';
  if (shape === 'time') return typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value);
  if (shape === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === shape;
}
