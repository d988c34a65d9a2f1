import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../test/fakes/clock.ts';
import { systemRandom } from '../runtime/random.ts';
import type { AudienceDraft } from '../spiffe/audience.ts';
import { TrustDomain } from '../spiffe/id.ts';
import { type IntendedChange, openRegistry, type Registry } from './registry.ts';

let directory: string;
let registry: Registry;
let recorded: IntendedChange[];
const open = () =>
  openRegistry({
    path: join(directory, 'registry.db'),
    key: Buffer.alloc(32, 1),
    clock: new FakeClock(),
    random: systemRandom,
    trustDomain: TrustDomain.parse('example.org'),
    record: async (change) => void recorded.push(change),
  });
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'registry-'));
  recorded = [];
  registry = await open();
});
afterEach(async () => {
  await registry.close();
  rmSync(directory, { recursive: true });
});

const draft = (fields: Partial<AudienceDraft>): AudienceDraft => ({
  ...{ name: 'reports', audiences: ['https://reports.example.org'], algorithm: '', ttlSeconds: 0, singleUse: false },
  ...{ derivedTtlSeconds: 0, claims: '' },
  ...fields,
});

describe('audiences', () => {
  it('begin with what is known of relying parties', () => {
    const { audiences } = registry;
    expect(audiences.list().map(({ policy }) => policy.name)).toEqual([
      ...['aws', 'gcp', 'azure', 'kubernetes', 'vault', 'anthropic', 'openai', 'databricks', 'snowflake'],
    ]);
    expect(audiences.terms(['api://AzureADTokenExchange'])).toMatchObject({ algorithm: 'RS256', ttlSeconds: 3600 });
    const gcp = '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q';
    expect(audiences.terms([gcp])).toMatchObject({ algorithm: undefined, ttlSeconds: 300, federated: true });
    expect(audiences.terms(['reports'])).toMatchObject({ federated: false, key: '' });
  });

  it('are what an operator says, durably and on record, and presets again when that is forgotten', async () => {
    await registry.audiences.set(draft({ name: 'aws', audiences: ['sts.amazonaws.com'], ttlSeconds: 900 }), {
      actorUid: 7,
    });
    await registry.audiences.set(draft({ algorithm: 'RS256', claims: '{"groups":["owner:{owner}"]}' }));
    await registry.close();
    registry = await open();
    expect(registry.audiences.audience('aws')).toMatchObject({ source: 'changed', policy: { ttlSeconds: 900 } });
    expect(registry.audiences.terms(['https://reports.example.org'])).toMatchObject({
      algorithm: 'RS256',
      claims: { groups: ['owner:{owner}'] },
    });
    expect((await registry.audiences.delete('aws')).source).toBe('changed');
    expect((await registry.audiences.delete('reports')).source).toBe('own');
    expect(registry.audiences.audience('aws')).toMatchObject({ source: 'preset', policy: { ttlSeconds: 300 } });
    expect(recorded.map(({ audiences, by }) => [audiences[0]?.before?.name, audiences[0]?.after?.name, by])).toEqual([
      [undefined, 'aws', { actorUid: 7 }],
      [undefined, 'reports', undefined],
      ['aws', undefined, undefined],
      ['reports', undefined, undefined],
    ]);
  });

  it('prefer an exact name to a prefix, and a longer prefix to a shorter one', async () => {
    const set = (name: string, audience: string, ttlSeconds: number) =>
      registry.audiences.set(draft({ name, audiences: [audience], ttlSeconds }));
    await set('all', 'https://a.example/*', 10);
    await set('some', 'https://a.example/b*', 20);
    await set('one', 'https://a.example/b', 30);
    const lives = ['https://a.example/', 'https://a.example/bc', 'https://a.example/b', 'https://a.example'].map(
      (audience) => registry.audiences.terms([audience]).ttlSeconds,
    );
    expect(lives).toEqual([10, 20, 30, 0]);
  });

  it('for several at once give the narrowest of each, and claims that were meant for one to nobody', async () => {
    await registry.audiences.set(draft({ singleUse: true, ttlSeconds: 60, claims: '{"a":"b"}' }));
    const both = registry.audiences.terms(['https://reports.example.org', 'api://AzureADTokenExchange', 'other']);
    expect(both).toMatchObject({ algorithm: 'RS256', ttlSeconds: 60, singleUse: true, claims: undefined });
  });

  it.each<[string, Partial<AudienceDraft>, RegExp]>([
    ['a name in capitals', { name: 'AWS' }, /name is 1 to 64/],
    ['no audience', { audiences: [] }, /audiences are 1 to 16/],
    ['everybody', { audiences: ['*'] }, /not everybody/],
    ['a star within', { audiences: ['a*b'] }, /not at the end/],
    ['a line break', { audiences: ['a\nb'] }, /control character/],
    ['another algorithm', { algorithm: 'EdDSA' }, /ES256, RS256/],
    ['a life too short', { ttlSeconds: 4 }, /ttl is 5 to/],
    ['a derived life too long', { derivedTtlSeconds: 91 * 86_400 }, /derived_ttl is/],
    ['claims that are no object', { claims: '[1]' }, /not a JSON object/],
    ['claims that are not JSON', { claims: '{a}' }, /not JSON/],
    ['a claim that is ours', { claims: '{"sub":"x"}' }, /has sub/],
    ['azp, which one takes for the audience', { claims: '{"azp":"x"}' }, /has azp/],
    ['a fact that a caller could say', { claims: '{"a":"{audience}"}' }, /names \{audience\}; the facts are/],
    ['an open brace', { claims: '{"a":"{owner"}' }, /not around a fact/],
    ['claims without end', { claims: JSON.stringify({ a: 'x'.repeat(1024) }) }, /longer than 1024/],
    ['claims too deep', { claims: '{"a":[[[[["x"]]]]]}' }, /deeper/],
  ])('R-NET-4 refuse %s', async (_, fields, message) => {
    await expect(registry.audiences.set(draft(fields))).rejects.toMatchObject({ code: 'invalid-argument' });
    await expect(registry.audiences.set(draft(fields))).rejects.toThrow(message);
  });

  it('refuse what belongs to another already, and to forget what nobody said', async () => {
    const taken = registry.audiences.set(draft({ audiences: ['sts.amazonaws.com'] }));
    await expect(taken).rejects.toThrow(/is an audience of aws: mayfly audience set aws/);
    await expect(registry.audiences.delete('aws')).rejects.toThrow(/nobody has changed/);
    await expect(registry.audiences.delete('x')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('are refused at the start after an edit with SQL', async () => {
    await registry.audiences.set(draft({ ttlSeconds: 60 }));
    await registry.close();
    const database = new DatabaseSync(join(directory, 'registry.db'));
    database.exec(`update audiences set policy = replace(policy, '60', '99')`);
    database.close();
    await expect(open()).rejects.toThrow(/audiences\/reports/);
    rmSync(directory, { recursive: true });
    directory = mkdtempSync(join(tmpdir(), 'registry-'));
    registry = await open();
  });
});
