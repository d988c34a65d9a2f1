import { describe, expect, it } from 'vitest';
import {
  durable,
  entry,
  type Held,
  issueBoth,
  type Machine,
  machine,
  optionsOf,
  publicKey,
  refusal,
  states,
  verifyBoth,
} from '../../test/fakes/authority.ts';
import { FakeClock } from '../../test/fakes/clock.ts';
import { IdentityError } from '../errors.ts';
import { ordinaryTerms } from '../spiffe/audience.ts';
import { type Bundle, formatBundle } from '../spiffe/bundle.ts';
import { Issuer } from '../spiffe/issuer.ts';
import { parseCertificate } from '../x509/certificate.ts';
import { type Authority, type AuthorityOptions, openAuthority } from './authority.ts';

const hour = 3_600_000;

describe('openAuthority', () => {
  it('SE-14 starts with one published, active authority of each kind, each with its own key', async () => {
    const on = machine(new FakeClock());
    const authority = await openAuthority(optionsOf(on));
    expect(authority.authorities().map(({ kind, state }) => `${kind} ${state}`)).toEqual(['x509 active', 'jwt active']);
    const { x509Authorities, jwtAuthorities } = authority.bundle.value;
    expect([x509Authorities.length, jwtAuthorities.length]).toEqual([1, 1]);
    const x509Key = parseCertificate(x509Authorities[0] ?? Buffer.alloc(0)).publicKey;
    expect(jwtAuthorities[0]?.publicKey.export({ type: 'spki', format: 'der' })).not.toEqual(x509Key);
    verifyBoth(await issueBoth(authority), authority.bundle.value, on.clock.now());
    expect(authority.problem).toBeUndefined();
    await authority.close();
  });

  it('puts every step on record before it takes effect', async () => {
    const on = machine(new FakeClock());
    const seen: string[] = [];
    const record: AuthorityOptions['record'] = async (event) => {
      if (!('use' in event)) return;
      const { kind, authority, use } = event;
      const before = durable(on).authorities.find(({ id }) => id === authority)?.state ?? 'unknown';
      seen.push(`${use} ${kind}: ${before}`);
    };
    const authority = await openAuthority(optionsOf(on, { record }));
    await on.clock.advance(130_000);
    await authority.close();
    expect(seen.filter((line) => line.startsWith('x509')).slice(0, 6)).toEqual([
      'x509 authority.prepared: unknown',
      'x509 authority.activated: prepared',
      'x509 authority.prepared: unknown',
      'x509 authority.activated: prepared',
      'x509 authority.retired: active',
      'x509 authority.prepared: unknown',
    ]);
    expect(seen).toContain('x509 authority.removed: old');
  });

  it('XR-11 JR-14 FD-36 FD-37 rotates CA 60 s and SVID 20 s with no moment at which a living SVID is not believed', async () => {
    const on = machine(new FakeClock());
    const authority = await openAuthority(optionsOf(on));
    const signers = new Set<string>();
    let held: Held[] = [];
    for (let second = 0; second < 300; second++) {
      held.push(await issueBoth(authority));
      signers.add(authority.active.value.x509?.id ?? '');
      await on.clock.advance(1000);
      const now = on.clock.now();
      held = held.filter(({ expiresAt }) => now < expiresAt);
      const { bundle } = authority;
      for (const one of held.filter((_, index) => index % 5 === second % 5)) verifyBoth(one, bundle.value, now);
      expect(bundle.value.x509Authorities).toHaveLength(states(authority, 'x509').length);
      expect(bundle.value.jwtAuthorities).toHaveLength(states(authority, 'jwt').length);
      for (const kind of ['x509', 'jwt'] as const) {
        expect(states(authority, kind).filter((state) => state === 'active')).toHaveLength(1);
      }
      expect(authority.bundle.value.x509Authorities.length).toBeLessThanOrEqual(4);
    }
    expect(signers.size).toBeGreaterThanOrEqual(9);
    expect((await on.keys.names()).length).toBe(authority.authorities().length);
    await authority.close();
  });

  it('FD-35 an authority is in the bundle for three refresh hints and more before it signs', async () => {
    for (const caTtlSeconds of [60, 600, 86_400]) {
      const on = machine(new FakeClock());
      const authority = await openAuthority(optionsOf(on, { caTtlSeconds }));
      const hint = (authority.bundle.value.refreshHintSeconds ?? 0) * 1000;
      expect(hint).toBeGreaterThan(0);
      await on.clock.advance(caTtlSeconds * 2000);
      for (const { preparedAt, activatesAt } of authority.authorities().slice(2)) {
        expect((activatesAt ?? Infinity) - preparedAt).toBeGreaterThanOrEqual(3 * hint);
      }
      await authority.close();
    }
  });

  it('every SVID has its whole life, down to 5 s, at any age of the authority', async () => {
    const on = machine(new FakeClock());
    const authority = await openAuthority(
      optionsOf(on, { caTtlSeconds: 15, x509SvidTtlSeconds: 5, jwtSvidTtlSeconds: 5 }),
    );
    for (let step = 0; step < 120; step++) {
      const now = on.clock.now();
      const { notAfter } = await authority.issueX509Svid(entry, publicKey);
      expect(notAfter - now).toBeGreaterThan(3_900);
      expect((await authority.issueJwtSvid(entry, ['aws'])).expiresAt - now).toBeGreaterThan(3_900);
      await on.clock.advance(700);
    }
    await authority.close();
  });

  it('BF-05 BF-06 BF-07 the sequence grows with every content, over restarts too, and with nothing else', async () => {
    const on = machine(new FakeClock());
    const seen: Bundle[] = [];
    for (let start = 0; start < 5; start++) {
      const authority = await openAuthority(optionsOf(on));
      seen.push(authority.bundle.value);
      const watching = authority.bundle.onChange((bundle) => seen.push(bundle));
      await on.clock.advance(45_000);
      watching[Symbol.dispose]();
      await authority.close();
    }
    const contents = new Map<bigint, string>();
    let last = 0n;
    for (const bundle of seen) {
      const { sequence = -1n } = bundle;
      const text = formatBundle(bundle);
      expect(sequence).toBeGreaterThanOrEqual(last);
      expect(contents.get(sequence) ?? text).toBe(text);
      contents.set(sequence, text);
      last = sequence;
    }
    expect(contents.size).toBeGreaterThan(10);
  });

  it('BF-06 a directory that was begun anew goes on above the sequence that peers have seen', async () => {
    const clock = new FakeClock();
    const first = await openAuthority(optionsOf(machine(clock)));
    await first.close();
    await clock.advance(5_000);
    const second = await openAuthority(optionsOf(machine(clock)));
    expect(second.bundle.value.sequence).toBeGreaterThan(first.bundle.value.sequence ?? 0n);
    await second.close();
  });

  it('SE-15 goes on with its keys after a restart: no new ones, the same bundle', async () => {
    const on = machine(new FakeClock());
    const first = await openAuthority(optionsOf(on));
    const held = await issueBoth(first);
    await first.close();
    const second = await openAuthority(optionsOf(on));
    expect(formatBundle(second.bundle.value)).toBe(formatBundle(first.bundle.value));
    expect(second.active.value.x509?.id).toBe(first.active.value.x509?.id);
    verifyBoth(held, second.bundle.value, on.clock.now());
    expect(await on.keys.names()).toHaveLength(2);
    await second.close();
  });

  it('heals after a downtime longer than a life: what ended is forgotten, another takes over', async () => {
    const on = machine(new FakeClock());
    const first = await openAuthority(optionsOf(on));
    await on.clock.advance(35_000);
    await first.close();
    await on.clock.advance(24 * hour);
    const second = await openAuthority(optionsOf(on));
    expect([states(second, 'x509'), states(second, 'jwt')]).toEqual([['active'], ['active']]);
    expect(await on.keys.names()).toHaveLength(2);
    verifyBoth(await issueBoth(second), second.bundle.value, on.clock.now());
    await second.close();
  });

  it('tells holders of SVIDs that another authority signs now', async () => {
    const on = machine(new FakeClock());
    const authority = await openAuthority(optionsOf(on));
    const { authorityId } = await authority.issueX509Svid(entry, publicKey);
    let changes = 0;
    authority.active.onChange((now, before) => {
      if (now.x509 !== before.x509) changes += 1;
    });
    await on.clock.advance(39_000);
    expect({ changes, id: authority.active.value.x509?.id }).toEqual({ changes: 0, id: authorityId });
    await on.clock.advance(2_000);
    expect(changes).toBe(1);
    expect(authority.active.value.x509?.id).not.toBe(authorityId);
    await authority.close();
  });

  it('lists when each authority signs, or will', async () => {
    const on = machine(new FakeClock());
    const authority = await openAuthority(optionsOf(on));
    const start = on.clock.now();
    await on.clock.advance(31_000);
    expect(authority.authorities().filter(({ kind }) => kind === 'x509')).toMatchObject([
      { state: 'active', keyType: 'ec-p256', preparedAt: start, activatesAt: start, expiresAt: start + 60_000 },
      { state: 'prepared', preparedAt: start + 30_000, activatesAt: start + 40_000, expiresAt: start + 90_000 },
    ]);
    await authority.close();
  });
});

describe('a clock that jumps', () => {
  it('forwards by an hour: the first caller is served at once, by an authority that is published', async () => {
    const on = machine(new FakeClock());
    const authority = await openAuthority(optionsOf(on));
    on.clock.jump(hour);
    verifyBoth(await issueBoth(authority), authority.bundle.value, on.clock.now());
    await authority.close();
  });

  it('backwards by an hour: nothing leaves the bundle, and the SVIDs are valid by the clock as it is now', async () => {
    const on = machine(new FakeClock());
    const authority = await openAuthority(optionsOf(on));
    await on.clock.advance(35_000);
    const before = authority.bundle.value.x509Authorities;
    on.clock.jump(-hour);
    verifyBoth(await issueBoth(authority), authority.bundle.value, on.clock.now());
    await on.clock.advance(120_000);
    for (const certificate of before) expect(authority.bundle.value.x509Authorities).toContainEqual(certificate);
    expect(authority.problem).toBeUndefined();
    await authority.close();
  });

  it('is noticed within a minute without anybody asking', async () => {
    const on = machine(new FakeClock());
    const authority = await openAuthority(optionsOf(on, { caTtlSeconds: 86_400 }));
    const first = authority.active.value.x509?.id;
    on.clock.jump(48 * hour);
    await on.clock.advance(60_000);
    expect(authority.active.value.x509?.id).not.toBe(first);
    await authority.close();
  });
});

describe('a step that fails', () => {
  it('leaves the active authority signing to its end, is told, makes no second key, and heals by itself', async () => {
    const on = machine(new FakeClock());
    let full = false;
    let [made, refused] = [0, 0];
    const authority = await openAuthority({
      ...optionsOf(on),
      journalFile: {
        path: on.journal.path,
        read: () => on.journal.read(),
        write: (text) => {
          if (!full) return on.journal.write(text);
          refused += 1;
          throw new IdentityError('resource-exhausted', 'cannot write authorities.json: the disk is full');
        },
      },
      keyStore: {
        ...on.keys,
        create: (name, keyType) => {
          made += 1;
          return on.keys.create(name, keyType);
        },
      },
    });
    full = true;
    const first = authority.active.value.x509?.id;
    for (let second = 0; second < 58; second++) {
      await on.clock.advance(1000);
      expect((await authority.issueX509Svid(entry, publicKey)).authorityId).toBe(first);
    }
    expect(authority.problem).toContain('the disk is full');
    await on.clock.advance(5_000);
    const tries = refused;
    for (let caller = 0; caller < 100; caller++) {
      expect((await refusal(authority.issueX509Svid(entry, publicKey))).code).toBe('unavailable');
    }
    expect({ made, refused }, 'callers do not make it worse').toEqual({ made: 2, refused: tries });
    full = false;
    await on.clock.advance(61_000);
    expect(authority.problem).toBeUndefined();
    verifyBoth(await issueBoth(authority), authority.bundle.value, on.clock.now());
    await authority.close();
  });

  it('R-KEY-2 a key store that is down gets a growing pause, and one name for one key', async () => {
    const on = machine(new FakeClock());
    const names: string[] = [];
    let down = false;
    const create: Machine['keys']['create'] = (name, keyType) => {
      if (!down) return on.keys.create(name, keyType);
      names.push(name);
      throw new IdentityError('unavailable', 'the token was removed');
    };
    const authority = await openAuthority(
      optionsOf(on, { caTtlSeconds: 86_400, keyStore: { ...on.keys, create }, record: async () => undefined }),
    );
    down = true;
    await on.clock.advance(13 * hour);
    expect(new Set(names).size).toBe(2);
    expect(names.length).toBeLessThan(150);
    expect(authority.problem).toContain('the token was removed');
    expect(states(authority, 'x509')).toEqual(['active']);
    await authority.close();
  });

  it('one kind that is stuck does not hold up the other', async () => {
    const on = machine(new FakeClock());
    let down = false;
    const create: Machine['keys']['create'] = async (name, keyType) => {
      if (down && name.startsWith('x509')) throw new IdentityError('unavailable', 'the token was removed');
      return on.keys.create(name, keyType);
    };
    const authority = await openAuthority(optionsOf(on, { keyStore: { ...on.keys, create } }));
    const first = authority.active.value;
    down = true;
    await on.clock.advance(41_000);
    expect(authority.active.value.jwt?.id).not.toBe(first.jwt?.id);
    expect(authority.active.value.x509?.id).toBe(first.x509?.id);
    await authority.close();
  });

  it('nothing is activated that cannot be put on record', async () => {
    const on = machine(new FakeClock());
    const record = async () => {
      throw new IdentityError('resource-exhausted', 'the ledger is full');
    };
    const { code } = await refusal(openAuthority(optionsOf(on, { record })));
    expect(code).toBe('resource-exhausted');
    expect(durable(on).authorities).toEqual([]);
  });

  it('R-PUB-1 nothing is activated when the journal on the disk does not hold it', async () => {
    const on = machine(new FakeClock());
    const authority = await openAuthority(optionsOf(on));
    const atStart = on.journal.bytes;
    const first = authority.active.value.x509?.id;
    await on.clock.advance(31_000);
    on.journal.bytes = atStart;
    await on.clock.advance(15_000);
    expect(authority.active.value.x509?.id).toBe(first);
    expect(authority.problem).toContain('was replaced while mayfly ran');
    await authority.close();
  });
});

describe('an issuer for relying parties outside SPIFFE', () => {
  const issuer = Issuer.parse('https://id.example.org');
  const signs = (authority: Authority): string[] =>
    authority.tokenKeys.value.filter(({ signsNow }) => signsNow).map(({ algorithm }) => algorithm);

  it('has an RSA authority beside the other, and neither signs before its key is published', async () => {
    const on = machine(new FakeClock());
    const authority = await openAuthority(optionsOf(on, { issuer }));
    expect(signs(authority)).toEqual(['ES256', 'RS256']);
    for (let second = 0; second < 120; second += 5) {
      const { active, tokenKeys, bundle } = authority;
      for (const kind of ['jwt', 'jwt-rsa'] as const) {
        const signing = authority.authorities().filter((one) => one.kind === kind && one.state === 'active');
        expect(signing.map(({ id }) => id)).toEqual([active.value[kind]?.id]);
        for (const keys of [tokenKeys.value, bundle.value.jwtAuthorities, durable(on).authorities]) {
          expect(keys.map((key) => ('keyId' in key ? key.keyId : key.id))).toContain(active.value[kind]?.id);
        }
      }
      expect(signs(authority)).toEqual(['ES256', 'RS256']);
      await on.clock.advance(5_000);
    }
    await authority.close();
  });

  it('publishes a key for a day before it signs, where its life allows, and keeps it for more than a day after', async () => {
    const on = machine(new FakeClock());
    const day = 86_400_000;
    const options = optionsOf(on, { issuer, jwtCaTtlSeconds: 14 * 86_400, jwtSvidTtlSeconds: 300 });
    const authority = await openAuthority(options);
    expect(authority.tokenKeyLeadMs).toBe(day);
    const spans = authority.timeline(on.clock.now() + 60 * day).filter(({ kind }) => kind === 'jwt-rsa');
    expect(spans.length).toBeGreaterThan(4);
    for (const { publishedAt, activatesAt = Infinity, retiresAt = -Infinity, removedAt } of spans.slice(1, -2)) {
      expect(activatesAt - publishedAt).toBeGreaterThanOrEqual(day);
      expect(removedAt - retiresAt).toBeGreaterThan(day + 300_000 + 600_000);
    }
    await authority.close();
  });

  it('lets the RSA authority go when there is no issuer any more: published to its end, and followed by none', async () => {
    const on = machine(new FakeClock());
    await (await openAuthority(optionsOf(on, { issuer }))).close();
    const authority = await openAuthority(optionsOf(on));
    expect(states(authority, 'jwt-rsa')).toEqual(['active']);
    expect(authority.bundle.value.jwtAuthorities).toHaveLength(2);
    await on.clock.advance(65_000);
    expect(states(authority, 'jwt-rsa')).toEqual(['old']);
    await on.clock.advance(60_000);
    expect(states(authority, 'jwt-rsa')).toEqual([]);
    expect(
      (await refusal((async () => authority.plan({ verb: 'prepare', kind: 'jwt-rsa' }, () => 0))())).message,
    ).toMatch(/no jwt-rsa authority/);
    await authority.close();
  });

  it('keeps its keys over a restart: none is made for it', async () => {
    const on = machine(new FakeClock());
    const first = await openAuthority(optionsOf(on, { issuer }));
    const keys = first.tokenKeys.value.map(({ keyId }) => keyId);
    await first.close();
    const second = await openAuthority(optionsOf(on, { issuer }));
    expect(second.tokenKeys.value.map(({ keyId }) => keyId)).toEqual(keys);
    await second.close();
  });

  it('signs with the algorithm that an audience takes, and not at all where it has none', async () => {
    const on = machine(new FakeClock());
    const authority = await openAuthority(optionsOf(on, { issuer }));
    const alg = async (of: Authority, algorithm?: 'ES256' | 'RS256'): Promise<unknown> => {
      const terms = { ...ordinaryTerms, algorithm };
      const { token } = await of.issueJwtSvid(entry, ['them'], { terms, facts: {} });
      return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).alg;
    };
    expect([await alg(authority), await alg(authority, 'RS256'), await alg(authority, 'ES256')]).toEqual([
      'ES256',
      'RS256',
      'ES256',
    ]);
    await authority.close();
    const alone = await openAuthority(optionsOf(machine(new FakeClock())));
    expect(await refusal(alg(alone, 'RS256'))).toMatchObject({
      code: 'failed-precondition',
      reason: 'no-such-algorithm',
    });
    await alone.close();
  });
});
