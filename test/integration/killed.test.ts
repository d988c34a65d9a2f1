/** Killed where it stands, five times over, while operators, workloads and a source of the SDK go on with their work. */
import { X509Certificate } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { X509Source } from '../../src/sdk/sdk.ts';
import { readToken } from './documents.ts';
import { first, type Mayfly, startMayfly, until } from './fixture.ts';
import { grpc, startWorkload, type Workload } from './workload.ts';

const id = (name: string): string => `spiffe://example.org/${name}`;
const kills = 5;

let mayfly: Mayfly;
let source: X509Source;
/** Everything that was answered, so that it has to be there after each death. */
const entries = new Set<string>();
const jtis = new Set<string>();
const serials = new Set<string>();

const serial = (): string => new X509Certificate(source.svid.certificates[0] ?? '').serialNumber.toLowerCase();

beforeAll(async () => {
  mayfly = await startMayfly();
  await mayfly.operator.createAll([
    { spiffeId: id('source'), selectors: [`unix:uid:${process.geteuid?.()}`] },
    { spiffeId: id('web'), selectors: ['unix:uid:10001'], audiences: ['reports-*'] },
  ]);
  source = await X509Source.open({ address: mayfly.endpoint });
  source.onUpdate(() => source.available && serials.add(serial()));
  serials.add(serial());
});
afterAll(async () => {
  source?.close();
  await mayfly?.[Symbol.asyncDispose]();
});

/** An operator and a workload who never pause; resolves with the codes that stopped them. */
function traffic(workload: Workload, round: number): Promise<readonly number[]> {
  const create = async (count: number): Promise<void> => {
    const spiffeId = id(`round-${round}/${count}`);
    entries.add((await mayfly.operator.create({ spiffeId, selectors: ['unix:uid:19999'] })).id);
  };
  const token = async (count: number): Promise<void> => {
    const [svid] = await workload.jwt([`reports-${round}-${count}`]);
    jtis.add(String(readToken(svid?.svid ?? '').claims['jti']));
  };
  return Promise.all([untilRefused(create), untilRefused(token)]);
}

async function untilRefused(act: (count: number) => Promise<void>): Promise<number> {
  for (let count = 0; ; count++) {
    try {
      await act(count);
    } catch (error) {
      const { code, message } = error as { readonly code?: number; readonly message: string };
      return code ?? Number(/^refused with (\d+)/.exec(message)?.[1]);
    }
  }
}

/** What the ledger says was issued, each by what names it; a name that is there twice stays twice. */
async function recorded(kind: string, name: 'jti' | 'serial'): Promise<string[]> {
  const records = await mayfly.operator.records({ kind });
  return records.map(({ json }) => String((JSON.parse(json) as Record<string, unknown>)[name]));
}

describe('a kill -9 in the middle of everything', () => {
  it.each(Array.from({ length: kills }, (_, index) => index + 1))(
    'WA-16 EP-35 SE-15 SE-24 number %i loses nothing that was answered, and everybody comes back by themselves',
    async (round) => {
      await using workload = await startWorkload(mayfly.endpoint, 10001);
      const stream = workload.open('FetchX509SVID');
      await stream.next();
      const [before, entriesBefore, tokensBefore] = [serial(), entries.size, jtis.size];
      const stopped = traffic(workload, round);
      await until('there is traffic', () => entries.size > entriesBefore + 10 * round && jtis.size > tokensBefore + 10);
      await mayfly.stop('SIGKILL');
      mayfly.operator[Symbol.dispose]();
      expect(await stopped).toEqual([grpc.unavailable, grpc.unavailable]);
      expect((await stream.ended()).code).toBe(grpc.unavailable);
      expect(lstatSync(mayfly.socket).isSocket()).toBe(true);
      expect(source.svid.id).toBe(id('source'));

      mayfly = await startMayfly({ directory: mayfly.directory });
      await until('the source has a new SVID', () => serial() !== before, 60_000);
      expect(source.verify(source.svid.certificates)).toBe(id('source'));
      expect((await workload.call('FetchX509SVID')).code).toBe(grpc.ok);

      const present = new Set((await mayfly.operator.entries()).map((entry) => entry.id));
      expect(entries.difference(present)).toEqual(new Set());
      // Two that were created at the start, and at most one in each round of which nobody heard.
      expect(present.size).toBeLessThanOrEqual(2 + entries.size + round);
      for (const [kind, name, known] of [
        ['jwt-svid.issued', 'jti', jtis],
        ['x509-svid.issued', 'serial', serials],
      ] as const) {
        const records = await recorded(kind, name);
        expect(new Set(records).size).toBe(records.length);
        expect(known.difference(new Set(records))).toEqual(new Set());
      }
      expect(await mayfly.operator.verifyLedger()).toMatchObject({ ok: true, problem: '' });
    },
  );

  it('SE-24 mayfly ledger verify agrees, and each death is on record', async () => {
    expect(await mayfly.command('ledger', 'verify')).toMatchObject({ status: 0, stderr: '' });
    expect(await mayfly.operator.records({ kind: 'mayfly.started' })).toHaveLength(kills + 1);
    expect(await mayfly.operator.records({ kind: 'mayfly.stopped' })).toHaveLength(0);
    expect(first(await mayfly.operator.records({ kind: 'mayfly.started', limit: 1 })).json).toContain('example.org');
  });
});
