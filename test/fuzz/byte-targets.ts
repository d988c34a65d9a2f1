/** Certificates, PEM, gRPC frames, settings, the ledger and what else is read from a disk or a wire. */
import { parseNames } from '../../src/attest/accounts.ts';
import { Journal } from '../../src/authority/journal.ts';
import { parseMoment } from '../../src/cli/moment.ts';
import { parseConfig, printConfig } from '../../src/config.ts';
import { Chain } from '../../src/ledger/chain.ts';
import { hashOf, origin, recordLine, Seal } from '../../src/ledger/record.ts';
import { formatDuration, parseDuration } from '../../src/runtime/duration.ts';
import { FrameReader, frame, parseTimeout } from '../../src/runtime/grpc-frames.ts';
import { grpcTarget, parseEndpoint } from '../../src/sdk/endpoint.ts';
import { TrustDomain } from '../../src/spiffe/id.ts';
import { parseX509Svid, verifyX509Svid } from '../../src/spiffe/x509-svid.ts';
import { parseCertificate, splitCertificates } from '../../src/x509/certificate.ts';
import { decodePem, encodePem } from '../../src/x509/pem.ts';
import { FakeCa } from '../fakes/ca.ts';
import { promise, type Target, texts } from './target.ts';

const now = Date.now();
const root = new FakeCa('example.org');
const below = new FakeCa('example.org', root);
const leaf = root.issue('/web').chain;
const chain = below.issue('/deep/er').chain;
const seal = new Seal(Buffer.alloc(32, 7));
const lines = ledgerLines();
const longestMessage = 4096;

export const byteTargets: readonly Target[] = [
  {
    name: 'certificate',
    seeds: [root.certificate, ...leaf, ...chain, Buffer.from('3080a0030201', 'hex')],
    run: (input) => promise(parseCertificate(input).der.equals(input), 'a certificate is all of its bytes'),
  },
  {
    name: 'x509-svid',
    seeds: [Buffer.concat(leaf), Buffer.concat(chain), root.certificate],
    run: (input) => {
      const { certificates } = parseX509Svid(input);
      verifyX509Svid(certificates, () => [root.certificate], now);
      const known = [leaf, chain].some(([first]) => first?.equals(certificates[0] ?? Buffer.alloc(0)));
      promise(known, 'a leaf that was changed after signing is not believed');
    },
  },
  {
    name: 'certificate-list',
    seeds: [Buffer.concat([...leaf, ...chain]), root.certificate],
    run: (input) => promise(Buffer.concat(splitCertificates(input)).equals(input), 'pieces make the whole'),
  },
  {
    name: 'pem',
    seeds: texts(
      encodePem('CERTIFICATE', root.certificate),
      '-----BEGIN CERTIFICATE-----\n',
      '-----END X-----',
      '====',
      '\r\n',
    ),
    run: (input) => {
      for (const der of decodePem('CERTIFICATE', input.toString('latin1'))) {
        promise(decodePem('CERTIFICATE', encodePem('CERTIFICATE', der))[0]?.equals(der) === true, 'it is read back');
      }
    },
  },
  {
    name: 'config',
    seeds: texts(
      printConfig(parseConfig({ trustDomain: 'example.org' })),
      ...[
        '&a [*a, *a]',
        '<<: *a',
        '? !!binary x',
        '"\\u0000"',
        '---\n',
        '!!js/function',
        '1_000',
        '0x7f',
        '\t',
        '__proto__: 1',
        'http: "[::1]:1"',
      ],
    ),
    run: (input) => {
      const config = parseConfig({}, input.toString('utf8'));
      promise(
        printConfig(parseConfig({}, printConfig(config))) === printConfig(config),
        'what is printed is read back',
      );
    },
  },
  {
    name: 'grpc-frames',
    seeds: [
      frame(Buffer.alloc(0)),
      frame(Buffer.alloc(300, 1)),
      Buffer.from('00ffffffff', 'hex'),
      Buffer.from('0100000001', 'hex'),
    ],
    run: (input) => {
      const whole = read([input]);
      const step = 1 + ((input[0] ?? 0) % 7);
      const pieces = Array.from({ length: Math.ceil(input.length / step) }, (_, i) =>
        input.subarray(i * step, (i + 1) * step),
      );
      const inPieces = read(pieces);
      promise(
        Buffer.concat(whole).equals(Buffer.concat(inPieces)) && whole.length === inPieces.length,
        'cuts do not matter',
      );
      promise(
        whole.every(({ length }) => length <= longestMessage),
        'none is over the limit',
      );
    },
  },
  {
    name: 'grpc-timeout',
    seeds: texts('1S', '99999999H', '100m', '5u', '0n'),
    run: (input) => {
      const ms = parseTimeout(input.toString('latin1'));
      promise(ms === undefined || (Number.isFinite(ms) && ms >= 0), 'a wait is a number');
    },
  },
  {
    name: 'ledger',
    seeds: lines.map((line) => Buffer.from(line)),
    run: (input) => {
      const follower = new Chain(origin, seal);
      if (follower.follow(input) === undefined)
        promise(input.equals(Buffer.from(lines[0] ?? '')), 'only the first record comes first');
    },
  },
  {
    name: 'journal',
    seeds: texts(journalText()),
    run: (input) => {
      Journal.open({ path: 'journal', read: () => input, write: () => undefined }, TrustDomain.parse('example.org'));
      promise(input.toString('utf8') === journalText(), 'one way to write it');
    },
  },
  {
    name: 'duration-and-moment',
    seeds: texts(
      '1h30m',
      '7d',
      '-1h',
      '+8h',
      '2026-11-23T12:00:00.5+02:00',
      '99999999999999999999s',
      'now',
      '2026-02-30T00:00:00Z',
    ),
    run: (input) => {
      const text = input.toString('utf8');
      promise(Number.isFinite(parseMoment(text, now, 'back')), 'a moment is a number');
      const seconds = parseDuration(text);
      promise(parseDuration(formatDuration(seconds)) === seconds, 'it is read back');
    },
  },
  {
    name: 'endpoint',
    seeds: texts('unix:///run/x.sock', 'tcp://127.0.0.1:8000', 'tcp://[::1]:1', 'unix:%2e%00', 'UNIX:/a', '?', '#'),
    run: (input) => void grpcTarget(parseEndpoint(input.toString('utf8'))),
  },
  {
    name: 'accounts',
    seeds: texts('root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\n', ':::', '99999999999999999999'),
    run: (input) => promise(![...parseNames(input.toString('utf8')).values()].includes(''), 'nobody is without a name'),
  },
];

function read(pieces: readonly Buffer[]): Buffer[] {
  const reader = new FrameReader(longestMessage);
  const messages = pieces.flatMap((piece) => reader.push(piece));
  reader.end();
  return messages;
}

function ledgerLines(): string[] {
  const first = recordLine({ kind: 'ledger.segment', segment: 1 }, now, origin, seal);
  const stopped = { kind: 'mayfly.stopped', reason: 'SIGTERM' } as const;
  return [first, recordLine(stopped, now, { seq: 1, hash: hashOf(first) }, seal)];
}

/** As the journal itself writes it. */
function journalText(): string {
  let text = '';
  const write = (written: string): void => {
    text = written;
  };
  const file = { path: 'journal', read: () => undefined, write };
  const planned = [{ id: '0'.repeat(32), kind: 'x509', keyType: 'ec-p256' }] as const;
  Journal.open(file, TrustDomain.parse('example.org')).write({ sequence: 3n, planned });
  return text;
}
