import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../test/fakes/clock.ts';
import { eventually } from '../../test/fakes/eventually.ts';
import { IdentityError } from '../errors.ts';
import { systemRandom } from '../runtime/random.ts';
import { Watch } from '../runtime/watch.ts';
import { SpiffeId, TrustDomain } from '../spiffe/id.ts';
import type { Identities, X509State } from './identities.ts';
import { parseProjection } from './projection.ts';
import { Projector } from './projector.ts';

const id = SpiffeId.parse('spiffe://example.org/web');
const lifeMs = 300_000;
const minute = 60_000;

let directory: string;
let clock: FakeClock;
const undo: (() => Promise<void>)[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'projector-'));
  clock = new FakeClock();
});
afterEach(async () => {
  for (const end of undo.splice(0)) await end();
  rmSync(directory, { recursive: true, force: true });
});

/** An agent that gives numbered tokens, unless it is told to refuse, and whatever X.509 state it is told. */
class Agent implements Identities {
  refusal: IdentityError | undefined;
  asked = 0;
  readonly state = new Watch<X509State | undefined>(undefined);
  complain: (error: IdentityError) => void = () => undefined;

  async token() {
    this.asked++;
    if (this.refusal !== undefined) throw this.refusal;
    const now = clock.now();
    return { id, token: `token-${this.asked}`, issuedAt: now, expiresAt: now + lifeMs };
  }

  async *x509(signal: AbortSignal, onError: (error: IdentityError) => void) {
    this.complain = onError;
    for await (const state of this.state.values(signal)) if (state !== undefined) yield state;
  }
}

function start(yaml: string, agent = new Agent(), chance = 0.5) {
  const projector = new Projector(parseProjection(yaml, directory), {
    ...{ identities: agent, clock, random: { ...systemRandom, fraction: () => chance } },
    changed: () => undefined,
  });
  const over = new AbortController();
  const running = projector.run(over.signal);
  undo.push(async () => {
    over.abort();
    await running;
  });
  return { projector, agent, running };
}

const read = (name: string): string => readFileSync(join(directory, name), 'utf8');
const oneToken = 'tokens: [{ audience: vault, file: vault.token }]';
const refused = new IdentityError('permission-denied', 'no identity issued');
const away = new IdentityError('unavailable', 'mayfly is away');

describe('a projected token', () => {
  it('is written whole, for its user alone, without a line feed', async () => {
    start(oneToken);
    await clock.advance(0);
    expect(read('vault.token')).toBe('token-1');
    expect(statSync(join(directory, 'vault.token')).mode & 0o777).toBe(0o600);
    expect(readdirSync(directory)).toEqual(['vault.token']);
  });

  it('is renewed at half of its life', async () => {
    const { agent, projector } = start(oneToken);
    await clock.advance(lifeMs / 2 - 1_000);
    expect(agent.asked).toBe(1);
    await clock.advance(2_000);
    expect(read('vault.token')).toBe('token-2');
    expect(projector.states[0]).toMatchObject({ content: 'vault', writes: 2, problem: undefined, spiffeId: id });
  });

  it.each([
    [0, 2],
    [0.999, 1],
  ])(
    'is renewed a little sooner or later, by chance (%d), so that not all are at the same moment',
    async (chance, asked) => {
      const { agent } = start(oneToken, new Agent(), chance);
      await clock.advance(lifeMs / 2);
      expect(agent.asked).toBe(asked);
    },
  );

  it('stays while the agent is away, and the trouble is told', async () => {
    const { agent, projector } = start(oneToken);
    await clock.advance(0);
    agent.refusal = away;
    await clock.advance(lifeMs * 0.6);
    expect(read('vault.token')).toBe('token-1');
    expect(projector.states[0]).toMatchObject({ problem: 'mayfly is away', writes: 1 });
    expect(projector.states[0]?.failures).toBeGreaterThan(1);
    agent.refusal = undefined;
    await clock.advance(minute);
    expect(projector.states[0]).toMatchObject({ problem: undefined, failingSince: undefined, writes: 2 });
  });

  it('is asked for with pauses that grow, however long the agent is away', async () => {
    const agent = new Agent();
    agent.refusal = away;
    start(oneToken, agent);
    await clock.advance(10 * minute);
    expect(agent.asked).toBeGreaterThan(10);
    expect(agent.asked).toBeLessThan(40);
  });

  it('is taken away when it is not owed any more, and comes back when it is', async () => {
    const { agent, projector } = start(oneToken);
    await clock.advance(0);
    agent.refusal = refused;
    await clock.advance(lifeMs * 0.6);
    expect(readdirSync(directory)).toEqual([]);
    expect(projector.states[0]).toMatchObject({ writtenAt: undefined, problem: 'no identity issued' });
    agent.refusal = undefined;
    await clock.advance(minute);
    expect(existsSync(join(directory, 'vault.token'))).toBe(true);
  });

  it('that was refused from the start leaves what others have put in its place', async () => {
    writeFileSync(join(directory, 'vault.token'), 'of somebody else');
    const agent = new Agent();
    agent.refusal = refused;
    start(oneToken, agent);
    await clock.advance(minute);
    expect(read('vault.token')).toBe('of somebody else');
  });

  it('that somebody has removed is written again', async () => {
    const { agent } = start(oneToken);
    await clock.advance(0);
    rmSync(join(directory, 'vault.token'));
    await clock.advance(5_000);
    expect(read('vault.token')).toBe('token-1');
    expect(agent.asked).toBe(1);
  });
});

describe('bad input: a directory that', () => {
  it('vanishes is told of, and written to when it is back, without another token', async () => {
    const { agent, projector } = start('tokens: [{ audience: vault, file: run/vault.token }]');
    await clock.advance(0);
    const missing = `cannot write ${directory}/run/vault.token: it does not exist`;
    expect(projector.states[0]).toMatchObject({ problem: missing, writtenAt: undefined });
    mkdirSync(join(directory, 'run'));
    await clock.advance(5_000);
    expect(read('run/vault.token')).toBe('token-1');
    rmSync(join(directory, 'run'), { recursive: true });
    await clock.advance(5_000);
    expect(projector.states[0]).toMatchObject({ problem: missing });
    mkdirSync(join(directory, 'run'));
    await clock.advance(5_000);
    expect(read('run/vault.token')).toBe('token-1');
    expect(agent.asked).toBe(1);
    expect(projector.complete).toBe(true);
  });

  it('becomes a file is told of', async () => {
    const { projector } = start('tokens: [{ audience: vault, file: run/vault.token }]');
    writeFileSync(join(directory, 'run'), '');
    await clock.advance(5_000);
    expect(projector.states[0]?.problem).toContain('a part of the path is not a directory');
  });

  it('is in trouble troubles nobody else', async () => {
    start('tokens: [{ audience: a, file: gone/a.token }, { audience: b, file: b.token }]');
    await clock.advance(0);
    expect(existsSync(join(directory, 'b.token'))).toBe(true);
  });
});

describe('a projected certificate', () => {
  const yaml = (more = '') =>
    `certificates: [{ certificate: tls.crt, key: tls.key, bundle: ca.crt, combined: all.pem${more} }]`;
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const state = (serial: number): X509State => ({
    svids: [
      { id, hint: 'web', certificates: [Buffer.of(serial), Buffer.of(99)], privateKey, notAfter: clock.now() + lifeMs },
    ],
    bundles: new Map([
      [TrustDomain.parse('example.org'), [Buffer.of(1)]],
      [TrustDomain.parse('other.org'), [Buffer.of(2)]],
    ]),
  });
  const give = async (agent: Agent, given: X509State): Promise<void> => {
    agent.state.set(given);
    await clock.advance(0);
  };
  const pem = (byte: number): string =>
    `-----BEGIN CERTIFICATE-----\n${Buffer.of(byte).toString('base64')}\n-----END CERTIFICATE-----\n`;

  it('goes into files with its key and the bundle: leaf first, and ours alone', async () => {
    const { agent } = start(yaml());
    await give(agent, state(7));
    expect(read('tls.crt')).toBe(pem(7) + pem(99));
    expect(read('ca.crt')).toBe(pem(1));
    expect(read('tls.key')).toMatch(/^-----BEGIN PRIVATE KEY-----/);
    expect(read('all.pem')).toBe(read('tls.crt') + read('tls.key'));
    for (const name of readdirSync(directory)) expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
    await give(agent, state(8));
    expect(read('tls.crt')).toBe(pem(8) + pem(99));
  });

  it.each([
    ['traditional', /^-----BEGIN EC PRIVATE KEY-----/],
    ['pkcs8', /^-----BEGIN PRIVATE KEY-----/],
  ])('has its key in the form %s', async (format, head) => {
    const { agent } = start(yaml(`, key_format: ${format}, bundles: all`));
    await give(agent, state(7));
    expect(read('tls.key')).toMatch(head);
    expect(createPrivateKey(read('tls.key')).equals(privateKey)).toBe(true);
    expect(read('ca.crt')).toBe(pem(1) + pem(2));
  });

  it('has its key in the form pkcs8-der', async () => {
    const { agent } = start(yaml(', key_format: pkcs8-der'));
    await give(agent, state(7));
    const key = readFileSync(join(directory, 'tls.key'));
    expect(createPrivateKey({ key, format: 'der', type: 'pkcs8' }).equals(privateKey)).toBe(true);
    expect(read('all.pem')).toContain('-----BEGIN PRIVATE KEY-----');
  });

  it('is the one with the hint or the identity that is asked for, and goes when that goes', async () => {
    const { agent, projector } = start(yaml(', hint: web'));
    const given = state(7);
    const [svid] = given.svids;
    await give(agent, {
      ...given,
      svids: svid === undefined ? [] : [{ ...svid, hint: 'other', certificates: [Buffer.of(5)] }, svid],
    });
    expect(read('tls.crt')).toBe(pem(7) + pem(99));
    await give(agent, { ...given, svids: [] });
    expect(readdirSync(directory)).toEqual([]);
    expect(projector.states[0]?.problem).toBe('none of our X.509-SVIDs is the one that is wanted');
  });

  it('is not written again, and nobody is told, where nothing has changed', async () => {
    const { agent, projector } = start(yaml());
    await give(agent, state(7));
    agent.complain(away);
    expect(projector.states[0]).toMatchObject({ problem: 'mayfly is away', writes: 1 });
    await clock.advance(10_000);
    expect(projector.states[0]).toMatchObject({ problem: 'mayfly is away', writes: 1 });
    await give(agent, state(7));
    expect(projector.states[0]).toMatchObject({ problem: undefined, writes: 1 });
  });

  it('stays whole where one of its files cannot be written: the old set, not half of the new', async () => {
    const { agent, projector } = start('certificates: [{ certificate: tls.crt, key: keys/tls.key, bundle: ca.crt }]');
    mkdirSync(join(directory, 'keys'));
    await give(agent, state(7));
    rmSync(join(directory, 'keys'), { recursive: true });
    await give(agent, state(8));
    expect(read('tls.crt')).toBe(pem(7) + pem(99));
    expect(projector.states[0]?.problem).toContain('keys/tls.key: it does not exist');
    mkdirSync(join(directory, 'keys'));
    await clock.advance(5_000);
    expect(read('tls.crt')).toBe(pem(8) + pem(99));
  });
});

describe('who is told of a change', () => {
  const command = (script: string) => `tokens: [{ audience: a, file: a.token, on_change: { command: [${script}] } }]`;

  it('is a process by its number, a process by its file, or a command', async () => {
    const hangups: string[] = [];
    const hear = (signal: string): void => void hangups.push(signal);
    process.on('SIGHUP', hear).on('SIGUSR2', hear);
    undo.push(async () => void process.off('SIGHUP', hear).off('SIGUSR2', hear));
    writeFileSync(join(directory, 'app.pid'), `${process.pid}\n`);
    start(`tokens:
  - { audience: a, file: a.token, on_change: { pid: ${process.pid} } }
  - { audience: b, file: b.token, on_change: { pid_file: app.pid, signal: USR2 } }
  - { audience: c, file: c.token, on_change: { command: [cp, ${directory}/c.token, ${directory}/seen] } }`);
    await clock.advance(0);
    await eventually('all three hear of it', () => hangups.length === 2 && existsSync(join(directory, 'seen')));
    expect(hangups.sort()).toEqual(['SIGHUP', 'SIGUSR2']);
    await eventually('the token is in it', () => read('seen') === read('c.token'));
  });

  it('and cannot be, is told of; the file is fresh all the same', async () => {
    const { projector } = start(command('"false"'));
    await clock.advance(0);
    await eventually('the command has failed', () => projector.states[0]?.untold);
    expect(projector.states[0]).toMatchObject({ untold: 'the command false ended with 1', problem: undefined });
    expect(projector.complete).toBe(true);
  });

  it('and has not started yet, is no trouble', async () => {
    const { projector } = start('tokens: [{ audience: a, file: a.token, on_change: { pid_file: none.pid } }]');
    await clock.advance(0);
    await eventually('written', () => projector.complete);
    expect(projector.states[0]?.untold).toBeUndefined();
  });

  it.each(['0', '1', '-1', '12 13', 'x'])('is nobody where the file says %j', async (text) => {
    writeFileSync(join(directory, 'app.pid'), text);
    const { projector } = start('tokens: [{ audience: a, file: a.token, on_change: { pid_file: app.pid } }]');
    await clock.advance(0);
    await eventually('it is told', () => projector.states[0]?.untold);
    expect(projector.states[0]?.untold).toBe(`${directory}/app.pid does not hold the number of a process`);
  });
});
