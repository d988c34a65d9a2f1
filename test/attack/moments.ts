/** A caller asks; at a chosen moment of the answer it is changed, and the connection is heard by an accomplice. */
import type { Entry } from '../../src/gen/mayfly/admin/v1/admin.ts';
import type { User } from './accomplice.ts';
import { longMs, type Stage } from './stage.ts';

/** `after accept`: it is known, and nobody has said a word yet. */
export const moments = [
  'before accept',
  'after accept',
  'after the match',
  'during signing',
  'before the write',
  'between messages',
  'on a push',
] as const;
export type Moment = (typeof moments)[number];

export interface Meeting {
  readonly user: User;
  /** What root gives it along. */
  readonly gifts?: string;
  /** The entry that it is owed as what it is in the beginning; changed, so that there is something to push. */
  readonly entry: Entry;
  /** Before it connects. */
  readonly prepare?: (pid: number) => Promise<unknown>;
  readonly change: (pid: number) => Promise<unknown>;
  /** Who speaks on a connection that nobody has spoken on before the change. */
  readonly lateSpeaker: 'first' | 'me' | 'nobody';
}

export async function meet(stage: Stage, moment: Moment, meeting: Meeting): Promise<void> {
  const { accomplice } = stage;
  const { user, gifts = '', entry, prepare, lateSpeaker } = meeting;
  let pid = 0;
  const connect = async (speaker: 'first' | 'nobody'): Promise<void> => {
    await accomplice.order('me make');
    pid = await accomplice.enter('first', user, gifts);
    await prepare?.(pid);
    await accomplice.order('first connect');
    if (speaker === 'first') await accomplice.order('first speak');
  };
  const change = (): Promise<unknown> => meeting.change(pid);
  const late = async (): Promise<void> => {
    if (lateSpeaker !== 'nobody') await accomplice.order(`${lateSpeaker} speak`);
  };
  const push = (): Promise<unknown> => stage.operator.update(entry, { hint: `push ${pushes++}` });
  const served = async (): Promise<void> => {
    await connect('first');
    const { ids } = await accomplice.hear(longMs);
    if (!ids.includes(entry.spiffeId)) throw new Error(`the caller was not served before: ${ids}`);
  };
  const stories: Record<Moment, () => Promise<unknown>> = {
    'before accept': () => stage.at('before accept', () => connect('nobody'), change).then(late),
    'after accept': () =>
      stage
        .learned(() => connect('nobody'))
        .then(change)
        .then(late),
    'after the match': () => stage.at('after the match', () => connect('first'), change),
    'during signing': () => stage.at('during signing', () => connect('first'), change),
    'before the write': () => stage.at('before the write', () => connect('first'), change),
    'between messages': () => served().then(change).then(push),
    'on a push': () => served().then(() => stage.at('on a push', push, change)),
  };
  await stories[moment]();
}

let pushes = 0;
