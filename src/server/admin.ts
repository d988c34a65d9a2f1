/** The admin API as one set of handlers; each call is recorded, whoever made it. */
import { IdentityError } from '../errors.ts';
import { AdminService } from '../gen/mayfly/admin/v1/admin.ts';
import type { Actor } from '../ledger/ledger.ts';
import type { Call, Handlers } from '../runtime/grpc-server.ts';
import type { Peer } from '../runtime/peer.ts';
import { actorOf, type Recorder } from './recorder.ts';

export type AdminHandlers = Handlers<typeof AdminService, Peer>;

export const actor = (call: Call<Peer>): Actor => actorOf(call.peer);

type Handler = (input: unknown, call: Call<Peer>) => unknown;

/** Wraps every handler, so that none can be forgotten. */
export function recorded(handlers: AdminHandlers, recorder: Recorder): AdminHandlers {
  const wrapped = Object.entries(AdminService).map(([name, { responseStream }]) => {
    const handler = Reflect.get(handlers, name) as Handler;
    const once: Handler = (input, call) => recorder.call(name, call, () => handler(input, call));
    const stream: Handler = (input, call) =>
      recordedStream(name, handler(input, call) as AsyncIterable<unknown>, call, recorder);
    return [name, responseStream ? stream : once];
  });
  return Object.fromEntries(wrapped) as AdminHandlers;
}

/**
 * The last message waits until the call is on record: it is the one that says what was done. A caller that leaves before
 * has read something all the same, and that is on record too.
 */
async function* recordedStream(name: string, messages: AsyncIterable<unknown>, call: Call<Peer>, recorder: Recorder) {
  let held: { readonly message: unknown } | undefined;
  let ended = false;
  const end = (outcome: () => void): Promise<void> => {
    ended = true;
    return recorder.call(name, call, outcome);
  };
  try {
    for await (const message of messages) {
      if (held !== undefined) yield held.message;
      held = { message };
    }
    await end(() => undefined);
  } catch (error) {
    if (ended) throw error;
    await end(() => raise(error));
  } finally {
    if (!ended) await end(() => raise(new IdentityError('cancelled', 'the caller has gone'))).catch(() => undefined);
  }
  if (held !== undefined) yield held.message;
}

function raise(error: unknown): never {
  throw error;
}
