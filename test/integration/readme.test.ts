/** The README keeps its word: its tour is run as it stands there, in one shell, and its program by the built package. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { first, type Mayfly, startMayfly } from './fixture.ts';
import { fencesOf, stepsOf, takeTour } from './tour.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const steps = stepsOf(readme);

function brokenLinks(page: string): string[] {
  const targets = [...textOf(page).matchAll(/\]\((?!https?:)([^)#]*)(#[^)]*)?\)/g)];
  return targets.flatMap(([link, path = '', heading = '']) => {
    const target = path === '' ? page : join(dirname(page), path);
    const found = existsSync(join(root, target)) && (heading === '' || anchors(target).includes(heading));
    return found ? [] : [`${page} ${link}`];
  });
}

/** Headings as the web shows them, and marks that were set by hand. */
function anchors(page: string): string[] {
  const headings = [...textOf(page).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  );
  const marks = [...textOf(page).matchAll(/<a id="([^"]+)">/g)].map(([, id = '']) => id);
  return [...headings, ...marks].map((name) => `#${name}`);
}

const textOf = (page: string): string => readFileSync(join(root, page), 'utf8');

describe('the README', () => {
  it('takes a newcomer through the tour: every command works and says what the page says', {
    timeout: 300_000,
  }, async () => {
    expect(steps.length).toBeGreaterThan(5);
    await takeTour(steps);
  });

  it('and every page behind it link to pages and headings that exist', () => {
    const pages = ['README.md', ...globSync(['docs/**/*.md', 'certs/*.md'], { cwd: root })];
    expect(pages.flatMap(brokenLinks)).toEqual([]);
  });

  describe('with its program', () => {
    const directory = mkdtempSync(join(tmpdir(), 'mayfly-program-'));
    let mayfly: Mayfly;

    beforeAll(async () => {
      mayfly = await startMayfly();
      await mayfly.operator.create({
        spiffeId: 'spiffe://example.org/web',
        selectors: [`unix:uid:${process.geteuid?.()}`],
      });
    });
    afterAll(async () => {
      await mayfly[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    });

    it('shows two ends of mutual TLS that believe each other, from the package as a workload imports it', () => {
      expect(existsSync(join(root, 'dist/sdk/sdk.js')), 'dist/ is missing; type: make build').toBe(true);
      mkdirSync(join(directory, 'node_modules'));
      symlinkSync(root, join(directory, 'node_modules/mayfly'));
      const program = join(directory, 'program.mjs');
      writeFileSync(program, first(fencesOf(readme).filter(({ language }) => language === 'js')).body);
      const output = execFileSync(process.execPath, [program], {
        env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: mayfly.endpoint },
        encoding: 'utf8',
        timeout: 60_000,
      });
      expect(output).toBe('hello spiffe://example.org/web\n');
    });
  });
});
