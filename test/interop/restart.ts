import { type Mayfly, startMayfly } from '../integration/fixture.ts';
import { check, holds, same } from './checks.ts';
import { flags, go, id, trustDomain, users } from './stage.ts';

/** The issuer is killed under clients that nobody tells; each is back by itself. */
export async function afterRestart(mayfly: Mayfly): Promise<void> {
  await check('WA-16 EP-35 go-spiffe outlives a kill -9 of the issuer and goes on with the next', async () => {
    const watching = go(mayfly, users.goClient, 'x509-watch', '2');
    await new Promise((resolve) => setTimeout(resolve, 500));
    await mayfly.stop('SIGKILL');
    await using next = await startMayfly({ directory: mayfly.directory, trustDomain, flags });
    const lines = await watching;
    same('ids', [...new Set(lines.filter((line) => 'id' in line).map((line) => line['id']))], [id('go-client')]);
    holds(
      'it noticed',
      lines.some((line) => line['retrying'] === 'Unavailable'),
    );
    await check('the ledger verifies after it all', async () => {
      const { stdout, stderr } = await next.command('ledger', 'verify', '--json');
      same('ledger verify', [(JSON.parse(stdout) as { ok: boolean }).ok, stderr], [true, '']);
    });
  });
}
