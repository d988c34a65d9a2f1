/**
 * RS256 tokens, each newly signed: no socket, no ledger. Prints how many for each CPU second of all threads as JSON, which is
 * how openssl measures itself: the signatures are made in the thread pool.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Authority, openAuthority } from '../../src/authority/authority.ts';
import { systemClock as clock } from '../../src/runtime/clock.ts';
import { systemRandom as random } from '../../src/runtime/random.ts';
import { ordinaryTerms } from '../../src/spiffe/audience.ts';
import { checkEntry, type Entry } from '../../src/spiffe/entry.ts';
import { TrustDomain } from '../../src/spiffe/id.ts';
import { Issuer } from '../../src/spiffe/issuer.ts';

const trustDomain = TrustDomain.parse('example.org');
const draft = { spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:1'], owner: 'ada', audiences: ['*'] };
const entry: Entry = { ...checkEntry(draft, trustDomain), id: random.uuid(), revision: 1, createdAt: clock.now() };
const request = { terms: { ...ordinaryTerms, algorithm: 'RS256', federated: true }, facts: {} } as const;
/** In flight, so that the pool always has the next one. */
const lanes = 8;

async function perCpuSecond(authority: Authority, ms: number): Promise<number> {
  const [used, end] = [process.cpuUsage(), performance.now() + ms];
  let count = 0;
  const lane = async (): Promise<void> => {
    for (; performance.now() < end; count++) {
      await authority.issueJwtSvid(entry, ['api://AzureADTokenExchange'], request);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const { user, system } = process.cpuUsage(used);
  return count / ((user + system) / 1e6);
}

const directory = mkdtempSync(join(tmpdir(), 'mayfly-bench-'));
try {
  const authority = await openAuthority({
    ...{ directory, trustDomain, clock, random, x509KeyType: 'ec-p256', jwtKeyType: 'ec-p256' },
    ...{ caTtlSeconds: 86_400, x509SvidTtlSeconds: 3_600, jwtSvidTtlSeconds: 300, record: async () => undefined },
    issuer: Issuer.parse('https://id.example.org'),
  });
  await perCpuSecond(authority, 1_000);
  process.stdout.write(JSON.stringify({ perCpuSecond: await perCpuSecond(authority, 3_000) }));
  await authority.close();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
