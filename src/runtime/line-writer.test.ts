import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/fakes/eventually.ts';
import { Pipe } from '../../test/fakes/pipe.ts';
import { LineWriter } from './line-writer.ts';

const lost = (lines: number): string => `${lines} lost\n`;
const line = (number: number): string => `${number} ${'x'.repeat(990)}\n`;

describe.each([
  ['a pipe that would make us wait', 0],
  ['a pipe that would not', constants.O_NONBLOCK],
])('lines into %s', (_name, flags) => {
  let pipe: Pipe;
  beforeEach(() => {
    pipe = new Pipe(flags);
  });
  afterEach(() => pipe[Symbol.dispose]());

  it('come at once where somebody reads', () => {
    const writer = new LineWriter(pipe.write, { lost });
    writer.write('one\n');
    writer.write('two\n');
    expect(pipe.text).toBe('one\ntwo\n');
  });

  it('R-NET-5 come late, whole and in their order when the reader was slow', async () => {
    const writer = new LineWriter(pipe.write, { lost });
    const lines = Array.from({ length: 500 }, (_, number) => line(number));
    for (const text of lines) writer.write(text);
    await eventually('all of them came', () => pipe.text === lines.join(''));
    expect(writer.lost).toBe(0);
  });

  it('R-NET-5 are counted where there is no room for them, and it is told', async () => {
    const writer = new LineWriter(pipe.write, { lost, mostBytes: 100_000 });
    for (let number = 0; number < 1_000; number++) writer.write(line(number));
    expect(writer.lost).toBeGreaterThan(500);
    await eventually('it was told', () => pipe.text.endsWith(' lost\n'));
    const came = pipe.text.split('\n').length - 2;
    expect(pipe.text.endsWith(`\n${1_000 - came} lost\n`)).toBe(true);
    expect(writer.lost).toBe(1_000 - came);
  });

  it('are lost, and nothing else is, when the reader has gone', () => {
    const writer = new LineWriter(pipe.write, { lost });
    pipe.hangUp();
    for (let number = 0; number < 10; number++) writer.write(line(number));
    writer.flush();
    expect(writer.lost).toBe(10);
  });

  it('do not hold up an end for long', async () => {
    const writer = new LineWriter(pipe.write, { lost });
    const lines = Array.from({ length: 500 }, (_, number) => line(number));
    for (const text of lines) writer.write(text);
    writer.flush();
    expect(lines.join('').startsWith(pipe.text)).toBe(true);
    await eventually('the rest came', () => pipe.text === lines.join(''));
  });
});

it('lines for a disk that is full are counted, each once', () => {
  const descriptor = openSync('/dev/full', 'w');
  const writer = new LineWriter(descriptor, { lost });
  for (let number = 0; number < 50; number++) writer.write(line(number));
  expect(writer.lost).toBe(50);
  closeSync(descriptor);
});

it('lines into a file are all there', () => {
  const directory = mkdtempSync(join(tmpdir(), 'mayfly-lines-'));
  const file = join(directory, 'log');
  const descriptor = openSync(file, 'a');
  const writer = new LineWriter(descriptor, { lost });
  for (let number = 0; number < 2_000; number++) writer.write(line(number));
  expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(2_001);
  closeSync(descriptor);
  rmSync(directory, { recursive: true });
});
