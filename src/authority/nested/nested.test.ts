/** Two and three issuers, one above the other: what each asks, grants and believes. Sockets are for the integration test. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  durable,
  entry,
  Fuse,
  type Machine,
  machine,
  optionsOf,
  publicKey,
  refusal,
  states,
  trustDomain,
} from '../../../test/fakes/authority.ts';
import { FakeClock } from '../../../test/fakes/clock.ts';
import { IssuerAbove } from '../../../test/fakes/issuer-above.ts';
import { verifyJwtSvid } from '../../spiffe/jwt-svid.ts';
import { verifyX509Svid } from '../../spiffe/x509-svid.ts';
import { splitCertificates } from '../../x509/certificate.ts';
import { type Authority, type AuthorityBelow, type AuthorityOptions, openAuthority } from '../authority.ts';

const by = { actorUid: 0, actorPid: 1 };
const life = { caTtlSeconds: 600, x509SvidTtlSeconds: 60, jwtSvidTtlSeconds: 60 };
let clock: FakeClock;
let [up, down]: Machine[] = [];
let above: Authority;
let below: Authority;
let link: IssuerAbove;

const start = (on: Machine | undefined, options: Partial<AuthorityOptions> = {}): Promise<Authority> => {
  if (on === undefined) throw new TypeError('no machine');
  return openAuthority(optionsOf(on, { ...life, ...options }));
};

beforeEach(async () => {
  clock = new FakeClock(Date.now());
  [up, down] = [machine(clock), machine(clock)];
  above = await start(up, { levelsBelow: 1 });
  link = new IssuerAbove(above, trustDomain);
  below = await start(down, { above: link });
  await settled();
});
afterEach(async () => {
  await below.close();
  await above.close();
});

/** What was told across is done in a few turns of the event loop. */
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
};
const kidsOf = (authority: Authority) => authority.bundle.value.jwtAuthorities.map(({ keyId }) => keyId).sort();
const rootsOf = (authority: Authority) =>
  authority.bundle.value.x509Authorities.map((der) => der.toString('hex')).sort();

/** Whoever has the bundle of the one above believes what the one below signs. */
async function believedAbove(): Promise<string> {
  const { chain, authorityId } = await below.issueX509Svid(entry, publicKey);
  verifyX509Svid(splitCertificates(chain), () => above.bundle.value.x509Authorities, clock.now());
  const { token } = await below.issueJwtSvid(entry, ['aws']);
  verifyJwtSvid(token, 'aws', () => above.bundle.value.jwtAuthorities, clock.now());
  return authorityId;
}

describe('an issuer below another', () => {
  it('XC-19 signs through an intermediate of its own, and both publish one bundle', async () => {
    await believedAbove();
    const { chain } = await below.issueX509Svid(entry, publicKey);
    expect(splitCertificates(chain)).toHaveLength(2);
    expect([rootsOf(below), kidsOf(below)]).toEqual([rootsOf(above), kidsOf(above)]);
    expect([rootsOf(below).length, kidsOf(below).length]).toEqual([1, 2]);
    expect(up?.nested.map(({ kind }) => kind)).toEqual(['downstream.certified', 'downstream.key-published']);
    expect(down?.nested.map(({ kind }) => kind)).toContain('upstream.heard');
  });

  it('R-NET-4 gives relying parties the keys of both, its own that signs first', async () => {
    const kids = (authority: Authority) => authority.tokenKeys.value.map(({ keyId }) => keyId);
    for (const authority of [above, below]) {
      expect(kids(authority).toSorted()).toEqual(kidsOf(above));
      expect(kids(authority)[0]).toBe(authority.active.value.jwt?.id);
    }
    await below.take({ do: 'prepare', kind: 'jwt', id: undefined }, by);
    await settled();
    expect(kids(above).toSorted()).toEqual(kids(below).toSorted());
    expect(kids(above)).toHaveLength(3);
  });

  it('XR-11 rotates with it and by itself, and at every moment everybody believes everybody', async () => {
    const signers = new Set<string>();
    for (let step = 0; step < 240; step++) {
      signers.add(await believedAbove());
      const { chain } = await above.issueX509Svid(entry, publicKey);
      verifyX509Svid(splitCertificates(chain), () => below.bundle.value.x509Authorities, clock.now());
      const { token } = await above.issueJwtSvid(entry, ['aws']);
      verifyJwtSvid(token, 'aws', () => below.bundle.value.jwtAuthorities, clock.now());
      await clock.advance(5000);
      await settled();
    }
    expect(signers.size).toBeGreaterThan(2);
    expect([rootsOf(below), kidsOf(below)]).toEqual([rootsOf(above), kidsOf(above)]);
    expect(kidsOf(above).length).toBeLessThan(9);
    const known = [...above.authorities(), ...below.authorities()].filter(({ kind }) => kind === 'jwt');
    expect(kidsOf(above)).toEqual(known.map(({ id }) => id).sort());
  });

  it('law 3: ends no later than the authority that signed it', async () => {
    await clock.advance(240_000);
    await below.take({ do: 'prepare', kind: 'x509', id: undefined }, by);
    const ends = below.authorities().findLast(({ kind }) => kind === 'x509')?.expiresAt ?? Infinity;
    const active = above.authorities().find(({ kind, state }) => kind === 'x509' && state === 'active');
    expect(ends).toBe(active?.expiresAt);
  });

  it('starts and serves without the one above, with what it last heard', async () => {
    await below.close();
    link.trouble = 'away';
    below = await start(down, { above: new IssuerAbove(above, trustDomain, 'silent') });
    await believedAbove();
    expect([rootsOf(below), kidsOf(below)]).toEqual([rootsOf(above), kidsOf(above)]);
  });

  it('signs everything anew when the one above is tainted, and stays with it no longer than its bundle does', async () => {
    const first = await believedAbove();
    const plan = () => above.plan({ verb: 'taint', kind: 'x509', id: active(above) }, () => 0);
    for (const step of plan().steps) await above.take(step, by);
    await settled();
    const second = await believedAbove();
    expect(second).not.toBe(first);
    expect(below.standing.value.has(first)).toBe(false);
    expect(states(below, 'x509')).toEqual(['tainted', 'active']);
    const tainted = above.authorities().find(({ state }) => state === 'tainted')?.id;
    await above.take({ do: 'revoke', kind: 'x509', id: tainted }, by);
    await settled();
    expect([rootsOf(below), rootsOf(below).length]).toEqual([rootsOf(above), 1]);
    expect(states(below, 'x509')).toEqual(['active']);
    expect(await believedAbove()).toBe(second);
  });

  it('leaves at once when the one above was revoked without a warning', async () => {
    const first = await believedAbove();
    link.trouble = 'away';
    const [plan] = [above.plan({ verb: 'revoke', kind: 'x509', id: active(above) }, () => 0)];
    for (const step of plan.steps) await above.take(step, by);
    link.trouble = undefined;
    link.hear();
    await settled();
    expect(await believedAbove()).not.toBe(first);
    expect(rootsOf(below)).toEqual(rootsOf(above));
  });

  it('takes a JWT key that was revoked out of the bundle above, too', async () => {
    const first = below.authorities().find(({ kind }) => kind === 'jwt')?.id;
    const plan = below.plan({ verb: 'revoke', kind: 'jwt', id: first }, () => 0);
    for (const step of plan.steps) await below.take(step, by);
    await settled();
    expect(kidsOf(above)).not.toContain(first);
    expect(kidsOf(above)).toHaveLength(2);
    await believedAbove();
    expect(kidsOf(below)).toEqual(kidsOf(above));
  });

  it('publishes its keys again where the one above has lost them', async () => {
    await above.below.withdraw(below.authorities().find(({ kind }) => kind === 'jwt')?.id ?? '', by);
    await settled();
    await believedAbove();
  });
});

describe('row 14 an issuer above', () => {
  it.each(['away', 'slow'] as const)(
    'that is %s: the present key signs to its end, told from half of its life, with no second key',
    async (trouble) => {
      link.trouble = trouble;
      for (let minute = 0; minute < 9; minute++) {
        await below.issueX509Svid(entry, publicKey);
        expect(below.problem === undefined, `minute ${minute}: ${below.problem}`).toBe(minute < 5);
        await clock.advance(60_000);
        await settled();
      }
      expect(
        durable(down as Machine)
          .planned.map(({ kind }) => kind)
          .sort(),
      ).toEqual(['jwt', 'x509']);
      expect((await down?.keys.names())?.length).toBeLessThanOrEqual(4);
      link.trouble = undefined;
      link.hear();
      for (let second = 0; second < 120; second++) {
        await clock.advance(1000);
        await settled();
      }
      expect(below.problem).toBeUndefined();
      await believedAbove();
    },
  );

  it.each([
    ['nothing', { x509Authorities: [] }, /without X.509 authorities/],
    ['a leaf', { leaf: true }, /no authority/],
    ['garbage', { x509Authorities: [Buffer.from('no certificate')] }, /cannot be read/],
    ['our id for its key', { twisted: true }, /under the id of one of ours/],
  ] as const)(
    'that lies with %s is not believed: the last good bundle stays, and it is told',
    async (_, lie, message) => {
      const before = [rootsOf(below), kidsOf(below)];
      link.lie(lie, below.authorities().find(({ kind }) => kind === 'jwt')?.id ?? '');
      await settled();
      expect([rootsOf(below), kidsOf(below)]).toEqual(before);
      expect(below.problem).toMatch(message);
      link.hear();
      await clock.advance(5000);
      await settled();
      expect(below.problem).toBeUndefined();
    },
  );
});

describe('an issuer above grants', () => {
  it.each([
    ['nothing to those below, unless its settings say so', { levelsBelow: 0 }, {}, /levels_below: 1/],
    ['no more levels than its settings say', { levelsBelow: 1 }, { levelsBelow: 1 }, /0 at most/],
    ['nothing to another trust domain', { levelsBelow: 1 }, { trustDomain: 'evil.example' }, /is of example.org/],
    ['nothing longer than it lives', { levelsBelow: 1 }, { caTtlSeconds: 1200 }, /ends too soon|sign for too long/],
  ] as const)('%s', async (_, granted, wanted, message) => {
    const grantor = await start(machine(clock), granted);
    const { trustDomain: name, ...options }: Omit<Partial<AuthorityOptions>, 'trustDomain'> & { trustDomain: string } =
      {
        trustDomain,
        ...wanted,
      };
    const { code, message: said } = await refusal(
      start(machine(clock), { above: new IssuerAbove(grantor, name), ...options }),
    );
    expect([code, said]).toEqual(['failed-precondition', expect.stringMatching(message)]);
    await grantor.close();
  });

  it('levels below levels: three issuers, one bundle, and a path that everybody believes', async () => {
    const root = await start(machine(clock), { levelsBelow: 2 });
    const middle = await start(machine(clock), { levelsBelow: 1, above: new IssuerAbove(root, trustDomain) });
    const leaf = await start(machine(clock), { above: new IssuerAbove(middle, trustDomain) });
    await settled();
    const { chain } = await leaf.issueX509Svid(entry, publicKey);
    expect(splitCertificates(chain)).toHaveLength(3);
    const { token } = await leaf.issueJwtSvid(entry, ['aws']);
    for (const issuer of [root, middle, leaf]) {
      verifyX509Svid(splitCertificates(chain), () => issuer.bundle.value.x509Authorities, clock.now());
      verifyJwtSvid(token, 'aws', () => issuer.bundle.value.jwtAuthorities, clock.now());
      expect([rootsOf(issuer), kidsOf(issuer)]).toEqual([rootsOf(root), kidsOf(root)]);
    }
    for (const issuer of [leaf, middle, root]) await issuer.close();
  });

  it.each([
    [
      'without its proof',
      (request: Buffer) => Buffer.concat([request.subarray(0, -1), Buffer.of((request.at(-1) ?? 0) ^ 1)]),
      /not signed by the key/,
    ],
    ['that is no request', () => Buffer.from('garbage'), /DER/],
  ] as const)('nothing for a request %s', async (_, twist, message) => {
    const said = await refusal(
      above.below.certify({ ...(link.asked as AuthorityBelow), request: twist(link.request) }, by),
    );
    expect([said.code, said.message]).toEqual(['invalid-argument', expect.stringMatching(message)]);
  });
});

describe('kill -9 of either', () => {
  /** A taint above and a revoked JWT key below, and time for a rotation of each. */
  async function live(one: Authority, other: Authority, fuse: Fuse): Promise<void> {
    for (let step = 0; step < 80 && !fuse.blown; step++) {
      if (step === 5) {
        const order = { verb: 'taint', kind: 'x509', id: active(one) } as const;
        for (const due of one.plan(order, () => 0).steps) await one.take(due, by).catch(() => undefined);
      }
      if (step === 10) {
        const id = other.authorities().find(({ kind, state }) => kind === 'jwt' && state === 'active')?.id;
        const { steps } = other.plan({ verb: 'revoke', kind: 'jwt', id }, () => 0);
        for (const due of steps) await other.take(due, by).catch(() => undefined);
      }
      await clock.advance(6000);
      await settled();
    }
  }

  it.each(['above', 'below'] as const)(
    'SE-15 R-KEY-2 the one %s, at every step: whatever is cut, what is signed below is believed above, and no key is forgotten',
    { timeout: 120_000 },
    async (where) => {
      let died = 0;
      for (let at = 1; at < 400; at++) {
        clock = new FakeClock(Date.now());
        const [top, bottom] = [machine(clock), machine(clock)];
        const fuse = new Fuse(at, at % 2 === 0 ? 'before' : 'after');
        const wired = (on: Machine, options: Partial<AuthorityOptions>, fused: boolean) => {
          const whole = optionsOf(on, { ...life, ...options });
          return openAuthority(fused ? fuse.wire(whole, on) : whole).catch(() => undefined);
        };
        const one = await wired(top, { levelsBelow: 1 }, where === 'above');
        const line = one && new IssuerAbove(one, trustDomain);
        const other = line && (await wired(bottom, { above: line }, where === 'below'));
        if (one !== undefined && other !== undefined) await live(one, other, fuse);
        await other?.close();
        await one?.close();
        if (!fuse.blown) break;
        died += 1;
        await below.close();
        await above.close();
        above = await start(top, { levelsBelow: 1 });
        below = await start(bottom, { above: new IssuerAbove(above, trustDomain) });
        await clock.advance(2000);
        await settled();
        await believedAbove();
        expect([rootsOf(below), kidsOf(below)], `step ${at}`).toEqual([rootsOf(above), kidsOf(above)]);
        for (const [on, authority] of [
          [top, above],
          [bottom, below],
        ] as const) {
          // One that was ordered and cut is noted, and is the next.
          const known = [...authority.authorities(), ...durable(on).planned].map(({ kind, id }) => `${kind}-${id}`);
          expect(known, `step ${at}`).toEqual(expect.arrayContaining([...(await on.keys.names())]));
        }
      }
      expect(died).toBeGreaterThan(20);
    },
  );
});

const active = (authority: Authority): string | undefined =>
  authority.authorities().find(({ kind, state }) => kind === 'x509' && state === 'active')?.id;
