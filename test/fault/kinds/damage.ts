/**
 * Files that are not what was written: a bit flipped, a piece zeroed, cut, appended, lost, open to others. Either it does
 * not start and says which file is wrong, and leaves it as it is; or what it serves is what was there before.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Broken } from '../broken.ts';
import type { Chance } from '../chance.ts';
import type { EntryState } from '../history.ts';
import type { Work } from '../lane.ts';
import type { Row } from '../matrix.ts';
import type { Scene } from '../scene.ts';

/** Orders that make the directory to be damaged. */
const orders = 60;
/** With each directory so many damages; then another one is made. */
const perDirectory = 40;

export const damage =
  (count: number): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    while (tally.injected < count && !lane.over) {
      const whole = await makeDirectory(scene);
      for (let done = 0; done < perDirectory && tally.injected < count && !lane.over; done++) {
        await restore(scene);
        const { what, file, row } = damageOne(scene);
        scene.history.write({ t: 'fault', kind: tally.kind, what });
        const came = await outcome(scene, what, file, whole);
        tally.inject(row, came);
        tally.check('I12');
      }
      await restore(scene);
    }
  };

interface Whole {
  readonly entries: readonly EntryState[];
  readonly bundle: string;
}

const copyOf = (scene: Scene): string => join(scene.directory, 'copy');

/** Half of them as a crash leaves them: with a write-ahead log, and a head that is open. */
async function makeDirectory(scene: Scene): Promise<Whole> {
  if (!scene.alive) await scene.start();
  for (let order = 0; order < orders; order++) await scene.operator.anything();
  await scene.operator.look();
  const whole = { entries: scene.operator.entries, bundle: scene.operator.bundle };
  if (scene.chance.below(2) === 0) await scene.stop();
  else await scene.kill();
  rmSync(copyOf(scene), { recursive: true, force: true });
  copy(scene.data, copyOf(scene));
  return whole;
}

/** With modes and owners. */
const copy = (from: string, to: string): void => void execFileSync('cp', ['-a', from, to]);

async function restore(scene: Scene): Promise<void> {
  if (scene.alive) await scene.kill();
  // That an old copy is put back is not what this is about.
  scene.forgetHowFarItWas();
  rmSync(scene.data, { recursive: true, force: true });
  copy(copyOf(scene), scene.data);
}

function damageOne({ data, chance }: Scene): { readonly what: string; readonly file: string; readonly row: Row } {
  const files = readdirSync(data, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'lock')
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort();
  if (chance.below(8) === 0 && !existsSync(join(data, 'registry.db-wal'))) {
    const file = join(data, 'registry.db');
    return { what: `${editRow(file, chance)}: registry.db`, file, row: 37 };
  }
  const file = chance.of(files) ?? '';
  const { name, harm } = chance.of(harms) ?? { name: 'nothing', harm: () => undefined };
  harm(file, chance);
  const place = relative(data, file);
  return { what: `${name}: ${place}`, file, row: place.startsWith('ledger/') ? 39 : 7 };
}

/** By somebody who knows what stands where: the file is sound, and says something else. */
function editRow(path: string, chance: Chance): string {
  // Whoever edits has no scruples.
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  try {
    const edit = chance.of(edits) ?? '';
    database.exec(edit);
    return edit;
  } finally {
    database.close();
  }
}

const oneEntry = '(select id from entries order by id limit 1)';
const edits = [
  `update entries set owner = 'ada' where id = ${oneEntry}`,
  `update entries set spiffe_id = 'spiffe://example.org/root' where id = ${oneEntry}`,
  `update entries set selectors = '["unix:uid:1"]' where id = ${oneEntry}`,
  `update entries set expires_at = 99999999999999 where id = ${oneEntry}`,
  `update entries set revision = revision + 1 where id = ${oneEntry}`,
  `update entries set subject = 'root' where id = ${oneEntry}`,
  `delete from entries where id = ${oneEntry}`,
  'update people set enabled = 1 - enabled',
  "update registry set trust_domain = 'other.org'",
  'update registry set version = version + 1',
  "delete from people where id = 'grace'",
];

const flip = {
  name: 'a bit flipped',
  harm: (file: string, chance: Chance): void => {
    const bytes = readFileSync(file);
    const at = chance.below(Math.max(1, bytes.length));
    bytes[at] = (bytes[at] ?? 0) ^ (1 << chance.below(8));
    writeFileSync(file, bytes);
  },
};

const harms: readonly { readonly name: string; readonly harm: (file: string, chance: Chance) => void }[] = [
  ...Array.from({ length: 9 }, () => flip),
  { name: 'cut', harm: (file, chance) => truncateSync(file, chance.below(Math.max(1, readFileSync(file).length))) },
  { name: 'lost', harm: (file) => rmSync(file) },
  { name: 'open to others', harm: (file) => chmodSync(file, 0o644) },
  {
    name: 'a sector zeroed',
    harm: (file, chance) => {
      const bytes = readFileSync(file);
      const at = chance.below(Math.max(1, Math.ceil(bytes.length / 512))) * 512;
      writeFileSync(file, bytes.fill(0, at, Math.min(bytes.length, at + 512)));
    },
  },
  { name: 'longer', harm: (file, chance) => appendFileSync(file, chance.name()) },
];

async function outcome(scene: Scene, what: string, file: string, whole: Whole): Promise<string> {
  const before = hashOf(file);
  const said = scene.logLength;
  if (!(await scene.start({ mayEnd: true, strangers: true }))) {
    const text = scene.logSince(said);
    if (!/^error: /m.test(text) || /internal error/.test(text))
      throw new Broken(`${what}: it does not start and says ${text || 'nothing'}`, 'I12');
    if (hashOf(file) !== before) throw new Broken(`${what}: it refused the file and changed it`, 'I12');
    return 'refused, and said which file';
  }
  const { entries, bundle } = scene.operator;
  if (JSON.stringify(entries) !== JSON.stringify(whole.entries))
    throw new Broken(`${what}: it serves other entries than before`, 'I2');
  // An authority whose key is gone is followed by another; that what it signed is still believed, the checker judges.
  const succeeded = what.startsWith('lost: keys/');
  if (bundle !== whole.bundle && !succeeded) throw new Broken(`${what}: it publishes another bundle than before`, 'I7');
  const ledger = await scene.operator.verifyLedger();
  if (!ledger.ok) {
    await scene.watcher.expect(false, 5_000, what);
    return 'served, and told that the ledger is damaged';
  }
  const mended =
    scene.logSince(0) !== '' && readFileSync(lastSegment(scene), 'utf8').includes('"kind":"ledger.recovered"');
  if (what.includes('ledger/') && !what.startsWith('open') && !mended)
    throw new Broken(`${what}: it serves and finds the ledger good`, 'I9');
  return what.includes('ledger/')
    ? 'served, the end of the ledger mended and that recorded'
    : 'served, nothing that counts was lost';
}

const hashOf = (file: string): string =>
  existsSync(file) ? createHash('sha256').update(readFileSync(file)).digest('hex') : 'none';

function lastSegment({ data }: Scene): string {
  const names = readdirSync(join(data, 'ledger')).filter((name) => /^\d{6}\.ndjson$/.test(name));
  return join(data, 'ledger', names.sort().at(-1) ?? '');
}
