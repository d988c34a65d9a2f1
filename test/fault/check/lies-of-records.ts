/** About the ledger, the registry, the bundle, and what was promised of time: I2 and I6 to I14. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { append, given, issued, type Lie, lastFile, lastOf } from './editing.ts';

export const liesOfRecords: readonly Lie[] = [
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
      const path = lastFile(join(data, 'ledger'), (name) => name.endsWith('.ndjson'));
      const text = readFileSync(path, 'utf8');
      writeFileSync(path, text.replace('"pid":', '"pid":1'));
    },
  ],
  [
    'I9 the last record was cut off',
    /^I9 the head says \d+ records, there are/,
    ({ data }) => {
      const path = lastFile(join(data, 'ledger'), (name) => name.endsWith('.ndjson'));
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
    /^I6 record \d+: .* signs 10000 ms after other does/,
    (evidence) => {
      evidence.ledger((records) => {
        const one = records.find(issued) ?? lastOf(records);
        const at = (seconds: number): string => new Date(Date.now() + 1000 * seconds).toISOString();
        return [
          ...records,
          { ...one, at: at(10), authority: 'other', serial: 'a1' },
          { ...one, at: at(20), serial: 'a2' },
        ];
      });
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
        const { at, uid, pid } = lastOf(given(captures));
        return [...captures, { at: at + 10, pid, uid, kind: 'x509-bundles', bundles: {} }];
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
    'I2 a revocation is forgotten',
    /^I2 [0-9a-f]+ was revoked and is not at /,
    (evidence) => {
      evidence.history((history) => history.map((event) => (event.t === 'state' ? { ...event, revoked: [] } : event)));
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
      evidence.history(append({ t: 'ready', tookMs: 5_000, waitedMs: 0, load: 1 }));
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
      const told = { t: 'health', why: 'the disk was full', afterMs: 5_000, withinMs: 5_000, problems: [] };
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
