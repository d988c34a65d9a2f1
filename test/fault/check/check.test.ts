/**
 * The judge of the fault runs is judged: real evidence of a real issuer is found good, and each lie that is told with it
 * is named, by the invariant that it breaks.
 */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../integration/fixture.ts';
import type { Capture, CapturedSvid } from '../captures.ts';
import { Scene } from '../scene.ts';
import { Doctored, type LedgerLine, prolonged } from './doctored.ts';
import type { Event } from './files.ts';
import type { Invariant } from './report.ts';

const root = mkdtempSync(join(tmpdir(), 'mayfly-check-'));
const directory = join(root, 'scene');
const uids = [41_990, 41_991];

/** Two lives, two workloads, orders of every kind, and a new authority. */
beforeAll(async () => {
  chmodSync(root, 0o755);
  const scene = await Scene.open({ directory, seed: 1, uids, lives: { ca: 10, x509: 6, jwt: 5 } });
  await scene.start();
  await until('everybody has an SVID', () => uids.every((uid) => scene.lastSvid(uid) !== undefined), 20_000);
  for (let count = 0; count < 12; count++) await scene.operator.order(scene.operator.newEntry(41_990, 'ada'));
  await scene.operator.order({ do: 'set-person', person: 'grace', enabled: false });
  await scene.operator.order({ do: 'delete-entry', id: scene.operator.entries.at(-1)?.id ?? '' });
  scene.history.write({ t: 'fault', kind: 'test', what: 'killed' });
  await scene.kill();
  await scene.start();
  const before = scene.operator.bundle;
  await until(
    'there is another bundle',
    async () => {
      await scene.operator.look();
      return scene.operator.bundle !== before;
    },
    20_000,
  );
  await scene.watcher.expect(true, 5_000, 'the start');
  await scene.operator.look();
  await scene.stop();
  await scene.close();
}, 90_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Doctors a copy, and says what is found in it. */
function found(doctor: (evidence: Doctored) => void): string[] {
  using evidence = new Doctored(directory);
  doctor(evidence);
  return evidence.check().broken.map(({ invariant, what }) => `${invariant} ${what}`);
}

const issued = ({ kind }: LedgerLine): boolean => kind === 'x509-svid.issued';
const given = (captures: readonly Capture[]) =>
  captures.filter((capture): capture is Extract<Capture, { kind: 'x509' }> => capture.kind === 'x509');

/** What a workload was given last, as if it were another user's. */
function heldBy(uid: number, captures: readonly Capture[]): object[] {
  const chain = lastOf(given(captures)).svids[0]?.chain;
  const isIt = (capture: Capture): boolean =>
    capture.kind === 'x509' && capture.svids.some((svid) => svid.chain === chain);
  return captures.map((capture) => (isIt(capture) ? { ...capture, uid } : capture));
}

/** The first SVID of each capture that has one, edited. */
const editSvid = (edit: (svid: CapturedSvid, capture: Capture) => object) => (captures: Capture[]) =>
  captures.map((capture) => {
    const [svid] = capture.kind === 'x509' ? capture.svids : [];
    return capture.kind === 'x509' && svid !== undefined
      ? { ...capture, svids: [edit(svid, capture), ...capture.svids.slice(1)] }
      : capture;
  });

const lastOf = <T>(items: readonly T[]): T => {
  const last = items.at(-1);
  if (last === undefined) throw new Error('nothing there');
  return last;
};

const append =
  (...events: object[]) =>
  (history: Event[]) => [...history, ...events.map((event) => ({ at: Date.now(), ...event }))];

describe('the checker of the fault runs', () => {
  it('finds real evidence good, and has held something against every invariant', () => {
    using evidence = new Doctored(directory);
    const { checked, broken, counts } = evidence.check();
    expect(broken).toEqual([]);
    const all = Array.from({ length: 14 }, (_, index) => `I${index + 1}` as Invariant);
    expect(all.filter((invariant) => !checked[invariant])).toEqual([]);
    expect(counts['X.509-SVIDs']).toBeGreaterThan(4);
    expect(counts['JWT-SVIDs']).toBeGreaterThan(4);
  });

  it('finds a ledger good that was only chained anew, so that what follows is what is found', () => {
    expect(found((evidence) => evidence.ledger((records) => records))).toEqual([]);
  });

  const lies: readonly (readonly [string, RegExp, (evidence: Doctored) => void])[] = [
    [
      'I9 the record of a credential is missing',
      /^I9 .* is not on record/,
      (evidence) => {
        evidence.ledger((records) => records.toSpliced(records.findIndex(issued), 1));
      },
    ],
    [
      'I9 a record was changed by a byte',
      /^I9 the seal of record \d+ does not fit/,
      ({ data }) => {
        const path = join(
          data,
          'ledger',
          lastOf(
            readdirSync(join(data, 'ledger'))
              .filter((name) => name.endsWith('.ndjson'))
              .sort(),
          ),
        );
        const text = readFileSync(path, 'utf8');
        writeFileSync(path, text.replace('"pid":', '"pid":1'));
      },
    ],
    [
      'I9 the last record was cut off',
      /^I9 the head says \d+ records, there are/,
      ({ data }) => {
        const path = join(
          data,
          'ledger',
          lastOf(
            readdirSync(join(data, 'ledger'))
              .filter((name) => name.endsWith('.ndjson'))
              .sort(),
          ),
        );
        const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
        writeFileSync(path, `${lines.slice(0, -1).join('\n')}\n`);
      },
    ],
    [
      'I9 a record names another process',
      /^I9 record \d+ says .* is /,
      (evidence) => {
        evidence.ledger((records) => records.map((record) => (issued(record) ? { ...record, pid: 1 } : record)));
      },
    ],
    [
      'I6 a serial number is on record twice',
      /^I6 records \d+ and \d+ both issue/,
      (evidence) => {
        evidence.ledger((records) => [...records, records.find(issued) ?? lastOf(records)]);
      },
    ],
    [
      'I6 two authorities sign at a time',
      /^I6 before record \d+, .* are both active/,
      (evidence) => {
        evidence.ledger((records) => {
          const step = (kind: string) => records.find((record) => record.kind === kind) ?? lastOf(records);
          return [...records, { ...step('authority.activated'), authority: 'other' }, step('authority.prepared')];
        });
      },
    ],
    [
      'I3 an SVID is given to two processes',
      /^I3 .* was given to two processes/,
      (evidence) => {
        evidence.captures((captures) => [...captures, { ...lastOf(given(captures)), pid: 1 }]);
      },
    ],
    [
      'I1 an SVID is given to another user',
      /^I1 .* was given to uid 7 for/,
      (evidence) => {
        evidence.captures((captures) => heldBy(7, captures));
      },
    ],
    [
      'I1 an SVID comes under another name',
      /^I1 .* is for .*, not spiffe:\/\/example\.org\/root/,
      (evidence) => {
        evidence.captures(editSvid((svid) => ({ ...svid, id: 'spiffe://example.org/root' })));
      },
    ],
    [
      'I1 an SVID comes with the key of another',
      /^I1 .* came with the key of another/,
      (evidence) => {
        const keys: string[] = [];
        evidence.captures((captures) => {
          keys.push(...given(captures).flatMap(({ svids }) => svids.map(({ key }) => key)));
          return captures;
        });
        evidence.captures(editSvid((svid) => ({ ...svid, key: keys.find((key) => key !== svid.key) })));
      },
    ],
    [
      'I1 a token is for another audience',
      /^I1 asked for other, got a token for/,
      (evidence) => {
        evidence.captures((captures) =>
          captures.map((capture) => (capture.kind === 'jwt' ? { ...capture, audience: ['other'] } : capture)),
        );
      },
    ],
    [
      'I4 an SVID outlives its authority',
      /^I4 .* ends \d+ ms after its authority/,
      (evidence) => {
        const keys = join(evidence.data, 'keys');
        const last = new Map<number, string>();
        evidence.captures((captures) => {
          const svid = lastOf(given(captures)).svids[0];
          last.set(captures[0]?.uid ?? 0, svid?.chain ?? '');
          return captures;
        });
        evidence.captures(
          editSvid((svid, { uid }) =>
            svid.chain === last.get(uid) ? { ...svid, chain: prolonged(svid.chain, keys) } : svid,
          ),
        );
      },
    ],
    [
      'I4 an SVID is given after its end',
      /^I4 .* was given \d+ ms after its end/,
      (evidence) => {
        evidence.captures((captures) => [...captures, { ...given(captures)[0], at: Date.now() + 60_000 }]);
      },
    ],
    [
      'I4 an SVID is given after its entry was deleted',
      /^I4 .* was given \d+ ms after it was acknowledged/,
      (evidence) => {
        evidence.history((history) => {
          const at = history.findIndex((event) => event.t === 'state' && event.entries.length > 0);
          const [entry] = history.flatMap((event) => (event.t === 'state' ? event.entries : []));
          const when = (history[at]?.at ?? 0) - 60_000;
          const gone = [
            { at: when, t: 'ask', op: 9_999, do: 'delete-entry', id: entry?.id },
            { at: when, t: 'done', op: 9_999 },
          ];
          return history.toSpliced(at + 1, 0, ...(gone as never[]));
        });
      },
    ],
    [
      'I5 an authority signs before it is on record',
      /^I5 .*: .* was prepared by undefined, activated by undefined/,
      (evidence) => {
        evidence.ledger((records) => records.filter(({ kind }) => !kind.startsWith('authority.')));
      },
    ],
    [
      'I5 an SVID is signed by nobody in the bundle',
      /^I5 .* is signed by .*, which no bundle beside it has/,
      (evidence) => {
        evidence.captures(editSvid((svid) => ({ ...svid, bundle: '' })));
      },
    ],
    [
      'I5 a token is not signed by who is named',
      /^I5 the signature of .* is not by/,
      (evidence) => {
        evidence.captures((captures) =>
          captures.map((capture) =>
            capture.kind === 'jwt'
              ? {
                  ...capture,
                  tokens: capture.tokens.map(({ id, token }) => ({ id, token: `${token.slice(0, -8)}AAAAAAAA` })),
                }
              : capture,
          ),
        );
      },
    ],
    [
      'I7 the sequence of the bundle goes back',
      /^I7 the bundle's sequence went from \d+ to 1/,
      (evidence) => {
        evidence.history(append({ t: 'bundle', spiffe: '{"keys":[],"spiffe_sequence":1}' }));
      },
    ],
    [
      'I7 two bundles have one sequence number',
      /^I7 two bundles have the sequence/,
      (evidence) => {
        evidence.history((history) => {
          const last = history.findLast((event) => event.t === 'bundle');
          const { spiffe_sequence } = JSON.parse(last?.t === 'bundle' ? last.spiffe : '{}') as {
            spiffe_sequence: number;
          };
          return append({ t: 'bundle', spiffe: JSON.stringify({ keys: [], spiffe_sequence }) })(history);
        });
      },
    ],
    [
      'I7 an authority leaves the bundle too early',
      /^I7 .* left the bundle \d+ ms too early/,
      (evidence) => {
        evidence.captures((captures) => {
          const { at, uid } = lastOf(given(captures));
          return [...captures, { at: at + 10, pid: 1, uid, kind: 'x509-bundles', bundles: {} }];
        });
      },
    ],
    [
      'I2 an acknowledged entry is lost',
      /^I2 the database file has nothing, acknowledged was/,
      (evidence) => {
        evidence.sql('delete from entries where id = (select max(id) from entries)');
      },
    ],
    [
      'I2 a deleted entry is back',
      /^I2 the database file has the entry back /,
      (evidence) => {
        evidence.sql("update entries set id = 'back' where id = (select max(id) from entries)");
      },
    ],
    [
      'I2 a disabled person is enabled again',
      /^I2 the database file: grace is true, acknowledged was false/,
      (evidence) => {
        evidence.sql("update people set enabled = 1 where id = 'grace'");
      },
    ],
    [
      'I2 an entry has half of a change',
      /^I2 the database file has .*"hint":"other"/,
      (evidence) => {
        evidence.sql("update entries set hint = 'other' where id = (select max(id) from entries)");
      },
    ],
    [
      'I8 a key stands in the log',
      /^I8 x509-.* stands in the log/,
      ({ path, data }) => {
        const name = lastOf(readdirSync(join(data, 'keys')).filter((each) => each.startsWith('x509-')));
        const body = readFileSync(join(data, 'keys', name), 'latin1').replace(/-----[^\n]+-----|\n/g, '');
        writeFileSync(join(path, 'log.ndjson'), `{"msg":"${body.slice(body.indexOf('MI'))}"}\n`, { flag: 'a' });
      },
    ],
    [
      'I8 a key stands in what a crash left',
      /^I8 a private key stands in core/,
      ({ path }) => {
        writeFileSync(join(path, 'cwd', 'core'), '-----BEGIN PRIVATE KEY-----');
      },
    ],
    [
      'I10 a stream does not come back',
      /^I10 uid \d+ had no stream \d+ ms after it served/,
      (evidence) => {
        let ready = 0;
        evidence.history((history) => {
          ready = history.findLast(({ t }) => t === 'ready')?.at ?? 0;
          return history
            .filter(({ t }) => t !== 'end')
            .map((event) => (event.t === 'waited' ? { ...event, ms: 0 } : event))
            .concat({ at: ready + 60_000, t: 'end', code: 0, signal: null });
        });
        evidence.captures((captures) => captures.filter(({ at, kind }) => kind !== 'x509' || at < ready));
      },
    ],
    [
      'I11 a start takes five seconds',
      /^I11 it took 5000 ms until it served/,
      (evidence) => {
        evidence.history(append({ t: 'ready', tookMs: 5_000, waitedMs: 0 }));
      },
    ],
    [
      'I11 descriptors do not come back',
      /^I11 it has \d+ descriptors more than before/,
      (evidence) => {
        const held = { t: 'resources', threads: 12, residentMib: 90 };
        evidence.history(append({ ...held, descriptors: 30 }, { ...held, descriptors: 170 }));
      },
    ],
    [
      'I12 a workload hears of an internal error',
      /^I12 FetchJWTSVID ended with status 13/,
      (evidence) => {
        evidence.captures((captures) => [
          ...captures,
          { at: 0, pid: 1, uid: 1, kind: 'status', method: 'FetchJWTSVID', code: '13' },
        ]);
      },
    ],
    [
      'I13 health says nothing of a fault',
      /^I13 5000 ms after the disk was full it says ready/,
      (evidence) => {
        const told = { t: 'health', why: 'the disk was full', afterMs: 5_000, problems: [] };
        evidence.history(append({ ...told, expected: false, ready: true }));
      },
    ],
    [
      'I14 it never served again',
      /^I14 after a power cut it never served again/,
      (evidence) => {
        evidence.history(append({ t: 'fault', kind: 'test', what: 'a power cut' }));
      },
    ],
  ];

  it.each(lies)('names it when %s', (_, sentence, doctor) => {
    expect(found(doctor)).toContainEqual(expect.stringMatching(sentence));
  });
});
