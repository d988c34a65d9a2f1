import { describe, expect, it } from 'vitest';
import { type Config, parseConfig } from '../config.ts';
import { IdentityError } from '../errors.ts';
import type { LedgerEvent } from '../ledger/ledger.ts';
import { Reload, type ReloadParts, type Setting } from './reload.ts';

const by = { actorUid: 0, actorPid: 1 };
const taken = new IdentityError('failed-precondition', 'cannot listen on 127.0.0.1:1');

class Scene {
  readonly events: LedgerEvent[] = [];
  /** What was told to take effect, and what the record said by then. */
  readonly applied: [Setting, number][] = [];
  /** Settings that cannot be had. */
  readonly refused = new Set<Setting>();
  yaml = '';
  readonly reload: Reload;

  constructor() {
    const effect = (name: Setting) => async (): Promise<void> => {
      this.applied.push([name, this.events.length]);
      if (this.refused.has(name)) throw taken;
    };
    const names = ['log_level', 'bundle_endpoints', 'bundle_poll_floor'] as const;
    const ledger = { append: async (event: LedgerEvent) => void this.events.push(event) };
    this.reload = new Reload({
      config: parseConfig({}),
      read: async () => parseConfig({}, this.yaml),
      apply: Object.fromEntries(names.map((name) => [name, effect(name)])),
      ledger: ledger as unknown as ReloadParts['ledger'],
    });
  }

  async fails(yaml: string): Promise<IdentityError> {
    this.yaml = yaml;
    return this.reload.now(by).then(
      () => expect.unreachable(),
      (error) => error as IdentityError,
    );
  }

  get kinds(): readonly string[] {
    return this.events.map(({ kind }) => kind);
  }
}

const endpoints = 'bundle_endpoints: [{ profile: https_spiffe, listen: "127.0.0.1:1" }]\n';
const others = 'log_level: debug\nbundle_poll_floor: 10m\n';

describe('settings that are read again', () => {
  it('are on record before they take effect', async () => {
    const scene = new Scene();
    scene.yaml = others;
    const changed: (keyof Config)[] = ['log_level', 'bundle_poll_floor'];
    expect((await scene.reload.now(by)).changed.toSorted()).toEqual(changed.toSorted());
    expect(scene.applied.map(([, recorded]) => recorded)).toEqual([1, 1]);
    expect(scene.events).toMatchObject([{ kind: 'config.reloaded', needRestart: [], ...by }]);
  });

  it('are on record as not in effect where one cannot be had, which keeps no other from it', async () => {
    const scene = new Scene();
    scene.refused.add('bundle_endpoints');
    const { code, message } = await scene.fails(others + endpoints);
    expect([code, message]).toEqual(['failed-precondition', `bundle_endpoints is not in effect: ${taken.message}`]);
    expect(scene.applied).toHaveLength(3);
    expect(scene.events.at(-1)).toEqual({ kind: 'config.not-in-effect', settings: ['bundle_endpoints'], ...by });
  });

  it('are tried again until they could be had', async () => {
    const scene = new Scene();
    scene.refused.add('bundle_endpoints');
    await scene.fails(endpoints);
    await scene.fails(endpoints);
    scene.refused.clear();
    expect(await scene.reload.now(by)).toEqual({ changed: ['bundle_endpoints'], needRestart: [] });
    expect(await scene.reload.now(by)).toEqual({ changed: [], needRestart: [] });
    expect(scene.kinds).toEqual([
      'config.reloaded',
      'config.not-in-effect',
      'config.reloaded',
      'config.not-in-effect',
      'config.reloaded',
    ]);
  });

  it('are put back where they were before: what failed may have been left half-way', async () => {
    const scene = new Scene();
    scene.refused.add('bundle_endpoints');
    await scene.fails(endpoints);
    scene.refused.clear();
    scene.yaml = '';
    expect(await scene.reload.now(by)).toEqual({ changed: ['bundle_endpoints'], needRestart: [] });
    expect(scene.applied).toHaveLength(2);
  });
});
