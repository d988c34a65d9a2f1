/** A supervisor starts it again and again with settings that cannot be. Each time it says why, and makes nothing. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { launcher, run } from '../../integration/fixture.ts';
import { Broken } from '../broken.ts';
import type { Work } from '../lane.ts';
import type { Scene } from '../scene.ts';

interface Bad {
  readonly name: string;
  /** Of the file of settings. */
  readonly yaml?: string;
  readonly flags?: (scene: Scene) => readonly string[];
}

const bads: readonly Bad[] = [
  { name: 'an unknown name', yaml: 'ca_tll: 10\n' },
  { name: 'a life too short', yaml: 'x509_svid_ttl: 1\n' },
  { name: 'a life that is none', yaml: 'ca_ttl: soon\n' },
  { name: 'a negative number', yaml: 'ledger_segment_bytes: -1\n' },
  { name: 'a name twice', yaml: 'ca_ttl: 10\nca_ttl: 20\n' },
  { name: 'no YAML', yaml: 'a: b: c\n' },
  { name: 'a list', yaml: '- ca_ttl\n' },
  {
    name: 'aliases that multiply',
    yaml: `a: &a [x]\n${'bcdefghij'.replace(/./g, (c, at: number) => `${c}: &${c} [${`*${'abcdefghi'[at]},`.repeat(9)}]\n`)}`,
  },
  { name: 'nested lists', yaml: `ca_ttl: ${'['.repeat(20_000)}\n` },
  { name: 'nested maps', yaml: `ca_ttl: ${'{a: '.repeat(10_000)}\n` },
  { name: 'a file too long', yaml: `# ${'x'.repeat(100_000)}\n` },
  { name: 'bytes that are no text', yaml: '\0\u0001\ufffe\n' },
  { name: 'no such file', flags: ({ directory }) => ['--config', join(directory, 'no-such-file.yaml')] },
  { name: 'another trust domain', flags: () => ['--trust-domain', 'other.org'] },
  { name: 'a trust domain that is none', flags: () => ['--trust-domain', 'Example Org'] },
  { name: 'a socket over TCP', flags: () => ['--socket', 'tcp://127.0.0.1:8081'] },
  { name: 'a socket in the place of a file', flags: ({ directory }) => ['--socket', join(directory, 'settings.yaml')] },
  { name: 'health for the whole world', flags: () => ['--http', '0.0.0.0:9090'] },
  {
    name: 'a data directory that is a file',
    flags: ({ directory }) => ['--data-dir', join(directory, 'settings.yaml')],
  },
  {
    name: 'a socket in an open directory',
    flags: ({ directory }) => ['--socket', join(openTo(directory), 'api.sock')],
  },
  { name: 'a path too long', flags: ({ directory }) => ['--socket', join(directory, 'x'.repeat(120))] },
];

function openTo(directory: string): string {
  const open = join(directory, 'open');
  mkdirSync(open, { recursive: true });
  chmodSync(open, 0o777);
  return open;
}

export const badSettings =
  (rounds: number): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    await scene.start();
    for (let orders = 0; orders < 10; orders++) await scene.operator.anything();
    for (let round = 0; round < rounds && !lane.over; round++) {
      await scene.stop();
      const before = listing(scene);
      for (const bad of scene.chance.shuffled(bads)) {
        if (lane.over) break;
        scene.history.write({ t: 'fault', kind: tally.kind, what: bad.name });
        await refused(scene, bad);
        tally.inject(47, bad.name);
        for (const invariant of ['I6', 'I12'] as const) tally.check(invariant);
      }
      if (listing(scene) !== before)
        throw new Broken('it changed keys or authorities although its settings were refused', 'I6');
      await scene.start();
    }
  };

async function refused(scene: Scene, { name, yaml, flags = () => [] }: Bad): Promise<void> {
  const config = join(scene.directory, 'bad.yaml');
  if (yaml !== undefined) writeFileSync(config, yaml);
  const more = yaml === undefined ? flags(scene) : ['--config', config];
  const { status, stderr } = await run(launcher, ['up', ...scene.flags, ...more]);
  const said = /^error: [^\n]+\n(?: {2}[^\n]+\n)*$/.test(stderr) && !/internal error|\n {4}at /.test(stderr);
  if (!said || stderr.length > 2_000) throw new Broken(`${name}: it says ${stderr.slice(0, 2_000)}`, 'I12');
  if (status <= 0 || status === 7) throw new Broken(`${name}: it ended with ${status}`, 'I12');
  if (existsSync(scene.socket)) throw new Broken(`${name}: it left a socket`, 'I12');
  rmSync(config, { force: true });
}

/** Names, sizes and moments of keys and authorities: that it was started is on record. */
const listing = ({ data }: Scene): string =>
  execFileSync('find', [join(data, 'keys'), join(data, 'authorities.json'), '-printf', '%P %s %T@ %m\\n'], {
    encoding: 'utf8',
  });
