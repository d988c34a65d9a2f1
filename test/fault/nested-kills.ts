/**
 * Two issuers, one below the other, and kill -9 of either at every step of what goes between them, while operators of both
 * replace and revoke as fast as can be. By the bundle of the one above alone, what is signed below is believed.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Failpoint } from '../../src/runtime/failpoints.ts';
import { verifyX509Svid } from '../../src/spiffe/x509-svid.ts';
import { splitCertificates } from '../../src/x509/certificate.ts';
import { until } from '../integration/fixture.ts';
import { Member } from './member.ts';
import { aboveAnother, belowAnother, orderPoints, rotationPoints } from './points.ts';
import { type Kills, kinds, replaceBoth, strayKeys } from './rotation-orders.ts';

/** Of the first start, or of one whose clock has gone on: the fault runner comes by those. */
const elsewhere: ReadonlySet<string> = new Set(['authority.retired-recorded', 'authority.retired-journaled']);
const ownPoints = [...rotationPoints, ...orderPoints].filter((point) => !elsewhere.has(point));

const turns = 6;
const heardMs = 10_000;
const settledWithinMs = 60_000;

/** @param own whether the one below dies at the steps that every issuer takes, too */
export async function killNested(times: number, { own }: { readonly own: boolean }): Promise<Kills> {
  const directory = mkdtempSync(join(tmpdir(), 'mayfly-nested-'));
  const pair = new Pair(directory);
  try {
    await pair.start();
    for (let round = 0; round < times; round++) {
      for (const point of aboveAnother) await pair.die(point, pair.above, round % 3);
      for (const point of [...belowAnother, ...(own ? ownPoints : [])]) await pair.die(point, pair.below, round % 3);
    }
    return pair;
  } finally {
    await pair.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

class Pair implements Kills {
  readonly deaths = new Map<Failpoint, number>();
  readonly findings: string[] = [];
  readonly above: Member;
  readonly below: Member;

  constructor(directory: string) {
    const member = (name: string, settings: string): Member => {
      const place = join(directory, name);
      mkdirSync(join(place, 'admin'), { recursive: true, mode: 0o700 });
      writeFileSync(join(place, 'mayfly.yaml'), `${settings}\nlog_level: error\n`);
      return new Member(place);
    };
    this.above = member('above', 'levels_below: 1');
    const upstream = `{ kind: mayfly, admin_socket: ${this.above.adminSocket}, timeout: 5s }`;
    this.below = member('below', `upstream: ${upstream}`);
  }

  get #both(): readonly Member[] {
    return [this.above, this.below];
  }

  async start(): Promise<void> {
    for (const member of this.#both) {
      if (!(await member.start())) throw new Error('an issuer does not start');
      await member.owe();
    }
  }

  async stop(): Promise<void> {
    for (const member of this.#both) await member.stop();
  }

  /** @param after passes of that step before the one at which it dies */
  async die(at: Failpoint, victim: Member, after: number): Promise<void> {
    await victim.issuer.arm({ at, action: 'kill', after });
    for (let turn = 0; turn < turns && !victim.issuer.ended; turn++) await this.#orderAll();
    // Its orders fail a moment before its end is heard of.
    if (!(await victim.issuer.hit(1, heardMs))) return victim.issuer.disarm();
    this.deaths.set(at, (this.deaths.get(at) ?? 0) + 1);
    await victim.issuer.exited;
    const strays = strayKeys(victim.data, { planned: false });
    if (strays.length > 1) this.findings.push(`${strays.length} unknown keys, killed at ${at}`);
    if (!(await victim.start())) throw new Error(`an issuer does not start after a kill at ${at}`);
    await this.#judge(`after a kill at ${at}`);
  }

  async #orderAll(): Promise<void> {
    for (const { operator } of [this.below, this.above]) await replaceBoth(operator).catch(() => undefined);
  }

  async #judge(when: string): Promise<void> {
    // Published above before it signs: there is nothing to wait for.
    await this.#tokenIsBelieved().catch((fault: Error) => this.findings.push(`a token of below, ${when}: ${fault}`));
    let fault: string | undefined;
    const sound = async (): Promise<boolean> => {
      fault = await this.#fault().catch(String);
      return fault === undefined;
    };
    await until('both are sound', sound, settledWithinMs).catch(() => this.findings.push(`${fault}, ${when}`));
    for (const { operator } of this.#both) {
      const { ok, problem } = await operator.verifyLedger();
      if (!ok) this.findings.push(`the ledger does not verify, ${when}: ${problem}`);
    }
  }

  async #tokenIsBelieved(): Promise<void> {
    await this.above.validate(await this.below.token());
  }

  /** @returns what is not as it must be once both have heard from each other */
  async #fault(): Promise<string | undefined> {
    const [ours, theirs] = [await this.above.published(), await this.below.published()];
    if (ours.join() !== theirs.join()) return 'two bundles';
    const known = new Set<string>();
    for (const member of this.#both) {
      const authorities = await member.operator.authorities();
      for (const { id } of [...authorities, ...member.planned()]) known.add(id);
      for (const kind of kinds) {
        const active = authorities.filter((one) => one.kind === kind && one.state === 'active');
        if (active.length !== 1) return `${active.length} active ${kind} authorities`;
      }
      const strays = strayKeys(member.data, { planned: true });
      if (strays.length > 0) return `${strays.length} unknown keys on the disk`;
    }
    const unknown = (await this.above.tokenKeys()).filter((id) => !known.has(id));
    if (unknown.length > 0) return `${unknown.length} JWT keys in the bundle that are nobody's`;
    const { x509Authorities } = await this.above.operator.bundle();
    verifyX509Svid(splitCertificates(await this.below.chain()), () => x509Authorities, Date.now());
    await this.#tokenIsBelieved();
    return undefined;
  }
}
