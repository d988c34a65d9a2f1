/** What operators and the machine write: settings, durations, moments, addresses, /proc and the files of accounts. */
import { readFileSync } from 'node:fs';
import { parseNames } from '../../../src/attest/accounts.ts';
import { parseMoment } from '../../../src/cli/moment.ts';
import { parseLimit, parsePid, parseSeq } from '../../../src/cli/number.ts';
import { parseConfig, printConfig } from '../../../src/config.ts';
import { IdentityError } from '../../../src/errors.ts';
import { formatDuration, parseDuration } from '../../../src/runtime/duration.ts';
import { findIdLines, parseIds, parseStartTime } from '../../../src/runtime/proc-text.ts';
import { grpcTarget, parseEndpoint } from '../../../src/sdk/endpoint.ts';
import { promise, type Target, texts } from '../engine/target.ts';

const now = Date.now();

export const config: Target = {
  seeds: texts(
    printConfig(parseConfig({ trustDomain: 'example.org' })),
    ...['&a [*a, *a]', '<<: *a', '? !!binary x', '"\\u0000"', '---\n', '!!js/function', '1_000', '0x7f', '\t'],
    ...[
      '__proto__: 1',
      'http: "[::1]:1"',
      'a: &a [b]\nc: *a',
      '%YAML 1.1\n---\n',
      '? - a',
      '!!timestamp 2001-01-01',
      '|+1',
      '? *\n'.repeat(2_000),
    ],
  ),
  run: (input) => {
    const read = parseConfig({}, input.toString('utf8'));
    promise(printConfig(parseConfig({}, printConfig(read))) === printConfig(read), 'what is printed is read back');
  },
};

export const durations: Target = {
  seeds: texts(
    ...[
      '1h30m',
      '7d',
      '-1h',
      '+8h',
      '2026-11-23T12:00:00.5+02:00',
      '99999999999999999999s',
      'now',
      '2026-02-30T00:00:00Z',
    ],
    ...['9999-12-31T23:59:60Z', '0000-01-01T00:00:00-23:59', '4194304', '0'],
  ),
  run: (input) => {
    const text = input.toString('utf8');
    const numbers: readonly ((text: string) => number)[] = [parsePid, parseLimit, parseSeq];
    for (const parse of numbers) promise(Number.isSafeInteger(taken(() => parse(text)) ?? 0), 'a number is a number');
    for (const looks of ['back', 'ahead'] as const)
      promise(Number.isFinite(taken(() => parseMoment(text, now, looks)) ?? 0), 'a moment is a number');
    const seconds = parseDuration(text);
    promise(parseDuration(formatDuration(seconds)) === seconds, 'it is read back');
  },
};

function taken<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof IdentityError) return undefined;
    throw error;
  }
}

export const endpoint: Target = {
  seeds: texts(
    'unix:///run/x.sock',
    'tcp://127.0.0.1:8000',
    'tcp://[::1]:1',
    'unix:%2e%00',
    'UNIX:/a',
    '?',
    '#',
    '%ff',
  ),
  run: (input) => void grpcTarget(parseEndpoint(input.toString('utf8'))),
};

export const procText: Target = {
  seeds: [
    readFileSync('/proc/self/status'),
    readFileSync('/proc/self/stat'),
    ...texts(
      'Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t1\t2\t3\t4\nGroups:\t \n',
      '1 (a) b) S 1 2',
      '\nUid:',
      '\nGroups:',
      '4294967296',
    ),
  ],
  run: (input) => {
    const started = taken(() => parseStartTime(input)) ?? 0n;
    promise(started >= 0n && started < 10n ** 20n, 'a start time counts ticks');
    const { uid, gid, supplementaryGids } = parseIds(findIdLines(input));
    promise(
      [uid, gid, ...supplementaryGids].every((id) => Number.isSafeInteger(id) && id >= 0),
      'ids are numbers',
    );
  },
};

export const accounts: Target = {
  seeds: texts('root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n', ':::', '99999999999999999999'),
  run: (input) => promise(![...parseNames(input.toString('utf8')).values()].includes(''), 'nobody is without a name'),
};
