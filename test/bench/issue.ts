/** X.509-SVIDs as fast as one thread can make them: no socket, no ledger. Prints counts and CPU seconds as JSON. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Authority, openAuthority } from '../../src/authority/authority.ts';
import { systemClock as clock } from '../../src/runtime/clock.ts';
import { newLeafKey } from '../../src/runtime/leaf-key.ts';
import { systemRandom as random } from '../../src/runtime/random.ts';
import { checkEntry, type Entry } from '../../src/spiffe/entry.ts';
import { TrustDomain } from '../../src/spiffe/id.ts';

export interface IssueRates {
  readonly signPerCpuSecond: number;
  readonly keyAndSignPerCpuSecond: number;
}

const trustDomain = TrustDomain.parse('example.org');
const fields = checkEntry(
  { spiffeId: 'spiffe://example.org/web', selectors: ['unix:uid:1'], owner: 'ada' },
  trustDomain,
);
const entry: Entry = { ...fields, id: random.uuid(), revision: 1, createdAt: clock.now() };

async function perCpuSecond(ms: number, work: () => Promise<unknown>): Promise<number> {
  const used = process.cpuUsage();
  let count = 0;
  for (const end = performance.now() + ms; performance.now() < end; count++) await work();
  const { user, system } = process.cpuUsage(used);
  return count / ((user + system) / 1e6);
}

async function measure(authority: Authority): Promise<IssueRates> {
  const { publicKey } = newLeafKey();
  const sign = () => authority.issueX509Svid(entry, publicKey);
  const keyAndSign = () => authority.issueX509Svid(entry, newLeafKey().publicKey);
  await perCpuSecond(1_000, keyAndSign);
  return {
    signPerCpuSecond: await perCpuSecond(2_000, sign),
    keyAndSignPerCpuSecond: await perCpuSecond(2_000, keyAndSign),
  };
}

const directory = mkdtempSync(join(tmpdir(), 'mayfly-bench-'));
try {
  const authority = await openAuthority({
    ...{ directory, trustDomain, clock, random, x509KeyType: 'ec-p256', jwtKeyType: 'ec-p256' },
    ...{ caTtlSeconds: 86_400, x509SvidTtlSeconds: 3_600, jwtSvidTtlSeconds: 300, record: async () => undefined },
  });
  process.stdout.write(JSON.stringify(await measure(authority)));
  await authority.close();
} finally {
  rmSync(directory, { recursive: true, force: true });
}
