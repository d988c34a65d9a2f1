/** Who may know whom (docs/architecture.md): the rules that keep data flowing one way, each with its reason. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const source = resolve(import.meta.dirname, '../src');

/** A room imports from lower rows or from itself. */
const rows: Readonly<Record<string, number>> = {
  errors: 0,
  runtime: 0,
  gen: 0,
  x509: 1,
  spiffe: 2,
  authority: 3,
  registry: 3,
  attest: 3,
  ledger: 3,
  cloud: 3,
  agent: 4,
  server: 4,
  federation: 4,
  config: 5,
  up: 5,
  main: 5,
  cli: 5,
};
/** The SDK stands apart: a library that workloads import must not drag the issuer in. */
const sdkMayUse = ['runtime', 'errors', 'spiffe', 'x509', 'gen', 'sdk'];
const withDoor = ['authority', 'registry', 'attest', 'ledger', 'agent', 'server', 'federation'];

interface Import {
  readonly from: string;
  readonly to: string;
}

const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.startsWith('gen/'))
  .map((file) => ({ file, text: readFileSync(join(source, file), 'utf8') }));

const imports: readonly Import[] = files.flatMap(({ file, text }) =>
  [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(([, target = '']) => ({
    from: file,
    to: relative(source, resolve(source, file, '..', target)),
  })),
);

const room = (file: string): string => file.split('/')[0]?.replace(/\.ts$/, '') ?? '';

const show = (broken: readonly Import[]): string[] => broken.map(({ from, to }) => `${from} imports ${to}`);

describe('the architecture', () => {
  it('lets data flow one way: a file imports from a lower row or its own room, never sideways or up', () => {
    const broken = imports.filter(({ from, to }) => {
      const [here, there] = [room(from), room(to)];
      if (here === there || here === 'sdk') return false;
      if (there === 'sdk') return here !== 'cli';
      const [row, target] = [rows[here], rows[there]];
      if (row === undefined || target === undefined) return true;
      return row === 5 ? false : target >= row && !(row === 0 && target === 0);
    });
    expect(show(broken)).toEqual([]);
  });

  it('keeps the SDK apart from the issuer, because workloads import it', () => {
    const broken = imports.filter(({ from, to }) => room(from) === 'sdk' && !sdkMayUse.includes(room(to)));
    expect(show(broken)).toEqual([]);
  });

  it('keeps the command line a client of the APIs and nothing else', () => {
    const inside = withDoor;
    const broken = imports.filter(({ from, to }) => room(from) === 'cli' && inside.includes(room(to)));
    expect(show(broken)).toEqual([]);
  });

  it('enters a room of rows 3 and 4 through its door, so that the inside can change', () => {
    const broken = imports.filter(({ from, to }) => {
      const there = room(to);
      return withDoor.includes(there) && room(from) !== there && to !== `${there}/${there}.ts`;
    });
    expect(show(broken)).toEqual([]);
  });

  it('keeps rows 1 and 2 pure: no time, no randomness, no waiting, no files', () => {
    const impure =
      /\b(Date\.now|new Date\(\)|Math\.random|randomBytes|randomUUID|setTimeout|setInterval|await |async )|from 'node:(fs|net|http2?|child_process)/;
    const broken = files.filter(({ file, text }) => ['x509', 'spiffe'].includes(room(file)) && impure.test(code(text)));
    expect(broken.map(({ file }) => file)).toEqual([]);
  });

  it('lets only runtime/ touch time, randomness, the environment and the console, so that tests can replace them', () => {
    const effect =
      /\b(Date\.now\(|Math\.random|randomBytes\(|randomUUID\(|process\.env\b|console\.|setTimeout\(|setInterval\()/;
    const broken = files.filter(({ file, text }) => room(file) !== 'runtime' && effect.test(code(text)));
    expect(broken.map(({ file }) => file)).toEqual([]);
  });

  it('stops wire types at the files that speak gRPC', () => {
    const speakers = /^(agent|server|sdk|cli)\//;
    const broken = imports.filter(({ from, to }) => room(to) === 'gen' && !speakers.test(from));
    expect(show(broken)).toEqual([]);
  });

  it('has no file so long that it wants a wall', () => {
    const long = files.filter(({ text }) => text.split('\n').length > 330).map(({ file }) => file);
    expect(long).toEqual([]);
  });
});

/** Comments may name what code may not use. */
const code = (text: string): string => text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/\/\/.*$/gm, '');
