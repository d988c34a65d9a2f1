/** Somebody wants to see what it holds in memory: a debugger, a core, a snapshot of the heap, its files in /proc. */
import { execFileSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { Broken } from '../broken.ts';
import type { Work } from '../lane.ts';
import type { Scene } from '../scene.ts';

interface Way {
  readonly name: string;
  readonly spy: (scene: Scene) => Promise<void>;
}

/** What a Node can be told from outside to show; each is refused before anything is opened. */
const options = [
  '--inspect=127.0.0.1:0',
  '--heapsnapshot-signal=SIGUSR2',
  '--heapsnapshot-near-heap-limit=3',
  '--report-on-signal',
  '--report-on-fatalerror',
  '--report-uncaught-exception',
  '--heap-prof',
  '--cpu-prof',
  '--trace-env',
];

const ways: readonly Way[] = [
  ...options.map((option) => ({
    name: `started with ${option.split('=')[0]}`,
    spy: (scene: Scene) => startedWith(scene, option),
  })),
  { name: 'SIGUSR1', spy: unmoved },
  ...(['SIGABRT', 'SIGQUIT', 'SIGSEGV', 'SIGTRAP'] as const).map((signal) => ({
    name: `${signal} where cores are allowed`,
    spy: (scene: Scene) => crash(scene, signal),
  })),
  ...['mem', 'environ', 'maps', 'auxv', 'fd/0', 'stack'].map((file) => ({
    name: `/proc/PID/${file} read by another`,
    spy: (scene: Scene) => readAsAnother(scene, file),
  })),
];

export const spy =
  (rounds: number): Work =>
  async (lane) => {
    const { scene, tally } = lane;
    for (let round = 0; round < rounds; round++) {
      for (const { name, spy } of scene.chance.shuffled(ways)) {
        if (lane.over) return;
        if (!scene.alive) await scene.start();
        for (let order = 0; order < 2; order++) await scene.operator.anything();
        scene.history.write({ t: 'fault', kind: tally.kind, what: name });
        await spy(scene);
        tally.inject(46, name);
        tally.check('I8');
      }
    }
  };

async function startedWith(scene: Scene, option: string): Promise<void> {
  await scene.stop();
  const said = scene.logLength;
  const serves = await scene.start({ env: { NODE_OPTIONS: option }, mayEnd: true, strangers: true });
  const text = scene.logSince(said);
  if (serves) throw new Broken(`it serves with NODE_OPTIONS=${option}`, 'I8');
  if (!text.includes('error: ') || !text.includes('NODE_OPTIONS'))
    throw new Broken(`with NODE_OPTIONS=${option} it says ${text}`, 'I8');
}

/** A debugger would be a way to the keys. */
async function unmoved(scene: Scene): Promise<void> {
  const said = scene.logLength;
  scene.issuer.signal('SIGUSR1');
  await pause(100);
  if (!scene.alive) throw new Broken('SIGUSR1 ended it', 'I8');
  if (scene.logSince(said).includes('Debugger')) throw new Broken('SIGUSR1 opened a debugger', 'I8');
}

/** Whether a core was written is seen by the checker, which looks through all that lies where it ran. */
async function crash(scene: Scene, signal: NodeJS.Signals): Promise<void> {
  execFileSync('prlimit', ['--pid', String(scene.issuer.pid), '--core=unlimited:unlimited']);
  scene.issuer.signal(signal);
  await scene.ended();
}

async function readAsAnother(scene: Scene, file: string): Promise<void> {
  const path = `/proc/${scene.issuer.pid}/${file}`;
  const uid = String(scene.uids[0]);
  try {
    execFileSync('setpriv', ['--reuid', uid, '--regid', uid, '--clear-groups', 'head', '-c', '1', path], {
      stdio: 'pipe',
    });
  } catch {
    return;
  }
  throw new Broken(`uid ${uid} reads ${path}`, 'I8');
}
