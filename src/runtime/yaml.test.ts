import { expect, test } from 'vitest';
import { readYaml } from './yaml.ts';

const faultIn = (text: string) => readYaml(text).fault;
const twice = 'a key comes twice in one mapping';

test('a key that comes twice is found at any depth, where it comes again', () => {
  expect(faultIn('a: 1\nb: 2\na: 3\n')).toEqual({ line: 3, message: twice });
  expect(faultIn('- 1\n- x: { b: 1, c: 2, b: 3 }\n')).toEqual({ line: 2, message: twice });
  expect(faultIn('a: 1\n---\n"a": 1\na: 2\n')).toEqual({ line: 4, message: twice });
});

test('the same key in two mappings is no fault, nor are 1 and "1"', () => {
  expect(faultIn('- a: 1\n- a: 2\n')).toBeUndefined();
  expect(faultIn('1: a\n"1": b\n')).toBeUndefined();
});

test('keys are single values', () => {
  expect(faultIn('a: 1\n? [b]\n: 2\n')).toEqual({ line: 2, message: 'a key is not a single value' });
});

test.each(['- ', '[', '? ', '{a: '])('levels and levels of %j are refused', (opening) => {
  expect(faultIn(opening.repeat(65))).toMatchObject({ message: 'nested deeper than 64 levels' });
  expect(faultIn(opening.repeat(30_000))).toMatchObject({ message: 'nested deeper than 64 levels' });
  expect(faultIn(` ${opening.repeat(30_000)}`)).toMatchObject({ message: 'nested deeper than 64 levels' });
});

test('documents come in order, and what the library finds is told with its line', () => {
  expect(readYaml('a: 1\n---\nb: 2\n').documents.map((one) => one.toJS())).toEqual([{ a: 1 }, { b: 2 }]);
  expect(faultIn('a: 1\nb: [\n')).toMatchObject({ line: 3 });
});
