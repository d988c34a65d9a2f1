/** What the operators' pages show is run as it stands there. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { stepsOf, takeTour } from './tour.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

describe('the page on', () => {
  it.each([
    ['rotation', 12],
    ['keys', 2],
    ['upstream', 0],
    ['federation', 8],
    ['oidc', 7],
  ])('%s says what happens when its commands are typed', { timeout: 300_000 }, async (name, least) => {
    const steps = stepsOf(readFileSync(join(root, `docs/operate/${name}.md`), 'utf8'));
    expect(steps.length).toBeGreaterThan(least);
    await takeTour(steps);
  });

  it.each([
    ['files', 4],
    ['gcp', 3],
    ['azure', 2],
    ['kubernetes', 3],
    ['vault', 3],
    ['postgres', 3],
    ['redis', 6, { 'redis-server': 'redis-server', stunnel: 'stunnel4' }],
    ['mariadb', 6, { mariadbd: 'mariadb-server' }],
    ['nats', 6, { 'nats-server': 'nats-server' }],
  ] as const)(
    'federating to %s says what happens when its commands are typed',
    { timeout: 300_000 },
    async (name, least, programs: Readonly<Record<string, string>> = {}) => {
      for (const [program, debianPackage] of Object.entries(programs))
        expect(spawnSync('which', [program]).status, `apt-get install ${debianPackage}`).toBe(0);
      const steps = stepsOf(readFileSync(join(root, `docs/federate/${name}.md`), 'utf8'));
      expect(steps.length).toBeGreaterThanOrEqual(least);
      await takeTour(steps);
    },
  );
});
