/**
 * A connection that is handed to another process: by SCM_RIGHTS, by inheritance, or to a thread that has become another
 * user (R-PEER-3, fault 29). Whoever connected and spoke first is served for as long as it lives unchanged, and what it
 * hands on are its own identities; nobody else's ever travel on it, and nothing after it has gone.
 */
import type { Heard } from './accomplice.ts';
import { id, longMs, nextAttacker, type Stage } from './stage.ts';
import { count, newTally, type Rightful, type Tallies, type Tally } from './tally.ts';

const gid = 30_003;
/** Who is given the connection, and is owed something by itself. */
const other = '10002 10002';

export async function descriptors(stage: Stage, rounds: number): Promise<Tallies> {
  const { operator, accomplice } = stage;
  const entry = await operator.create({ spiffeId: id('giver'), selectors: [`unix:gid:${gid}`] });
  await operator.create({ spiffeId: id('victim/user'), selectors: ['unix:uid:10002'] });
  let pushes = 0;
  const push = (): Promise<unknown> => operator.update(entry, { hint: `push ${pushes++}` });
  const own = [id('giver')];
  const orders = async (...lines: readonly string[]): Promise<void> => {
    for (const line of lines) await accomplice.order(line);
  };
  const passed = (to: string) => orders('first connect', `me enter taker ${to}`, 'me hand first taker');
  const hear = (actor: string): Promise<Heard> => accomplice.hear(longMs, actor);
  const heardBy = async (actor: string): Promise<void> => {
    const { ids } = await hear(actor);
    if (!ids.includes(id('giver'))) throw new Error(`the caller was not served before: ${ids}`);
  };
  const inherited = () => orders('first connect', 'me child first taker');
  const becomeOther = 'taker setresuid 10002 10002 10002';

  const stories: Readonly<
    Record<string, readonly [rightful: Rightful, listener: string, (user: string) => Promise<unknown>]>
  > = {
    'passed, then another user speaks': ['nothing', 'taker', () => passed(other).then(() => orders('taker speak'))],
    'passed, then another of its user speaks': [
      'nothing',
      'taker',
      (user) => passed(user).then(() => orders('taker speak')),
    ],
    'passed amid the first words, the giver lives': [
      own,
      'taker',
      () =>
        orders(
          'first connect',
          'first speak first',
          `me enter taker ${other}`,
          'me hand first taker',
          'taker speak rest',
        ),
    ],
    'passed after the first words, the giver lives': [
      own,
      'taker',
      () =>
        orders('first connect', 'first speak', `me enter taker ${other}`, 'me hand first taker')
          .then(() => heardBy('taker'))
          .then(push),
    ],
    'passed after the first words, the giver ends': [
      'nothing',
      'taker',
      () =>
        orders('first connect', 'first speak', `me enter taker ${other}`, 'me hand first taker')
          .then(() => heardBy('taker'))
          .then(() => orders('me kill first'))
          .then(push),
    ],
    'passed after the first words, the giver becomes the other': [
      'nothing',
      'taker',
      () =>
        orders('first connect', 'first speak', `me enter taker ${other}`, 'me hand first taker')
          .then(() => heardBy('taker'))
          .then(() => orders('first setresuid 10002 10002 10002'))
          .then(push),
    ],
    'inherited by fork and setuid, the child speaks': [
      'nothing',
      'taker',
      () => inherited().then(() => orders(becomeOther, 'taker speak')),
    ],
    'inherited by fork and setuid, the parent speaks': [
      own,
      'taker',
      () => inherited().then(() => orders(becomeOther, 'first speak')),
    ],
    'inherited by fork and setuid, the parent ends': [
      'nothing',
      'taker',
      () =>
        inherited()
          .then(() => orders(becomeOther, 'first speak'))
          .then(() => heardBy('taker'))
          .then(() => orders('me kill first'))
          .then(push),
    ],
    'a thread that has become another user connects': [
      'nothing',
      'first',
      () => orders('first thread 10002 connect', 'first speak'),
    ],
    'a thread that has become another user speaks': [
      own,
      'first',
      () => orders('first connect', 'first thread 10002 speak'),
    ],
  };

  const tallies: Record<string, Tally> = {};
  for (const [name, [rightful, listener, story]] of Object.entries(stories)) {
    const tally = newTally();
    tallies[`connection ${name}`] = tally;
    for (let round = 0; round < rounds; round++) {
      const user = nextAttacker(gid);
      await accomplice.enter('first', user, 'capable');
      await story(`${user.uid} ${user.gid}`);
      count(tally, rightful === 'nothing' ? await accomplice.listen(longMs, listener) : await hear(listener), rightful);
      await accomplice.end();
    }
    tally.wrong += await stage.issued(['victim/user']);
  }
  return tallies;
}
