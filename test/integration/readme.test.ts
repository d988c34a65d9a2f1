/** The README keeps its word: its tour is run as it stands there, in one shell, and its program by the built package. */
import { execFileSync, spawn } from 'node:child_process';
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
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { first, type Mayfly, startMayfly } from './fixture.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');

interface Fence {
  readonly language: string;
  readonly body: string;
}

const fences = [...readme.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(
  ([, language = '', body = '']): Fence => ({ language, body }),
);

/** Each block of commands with the output that the page shows under it. */
const steps = fences.flatMap((fence, index) => {
  const shown = fences[index + 1];
  return fence.language === 'sh' && shown?.language === 'text' ? [{ commands: fence.body, shown: shown.body }] : [];
});

const marker = 'end of block';

/** What the tour leaves behind goes with its directory; the shell's jobs end with its group. */
async function takeTour(): Promise<string[]> {
  const home = mkdtempSync(join(tmpdir(), 'mayfly-tour-'));
  const script = ['set -eu', 'exec 2>&1', ...steps.flatMap(({ commands }) => [commands, `echo '${marker}'`])].join(
    '\n',
  );
  const { MAYFLY_ADMIN_SOCKET: _admin, SPIFFE_ENDPOINT_SOCKET: _endpoint, ...environment } = process.env;
  const shell = spawn('bash', ['-c', script], {
    cwd: root,
    env: { ...environment, TMPDIR: home },
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const late = setTimeout(() => process.kill(-(shell.pid ?? 0), 'SIGKILL'), 25_000);
  try {
    return (await text(shell.stdout)).split(`${marker}\n`);
  } finally {
    clearTimeout(late);
    rmSync(home, { recursive: true, force: true });
  }
}

/** What differs from one run to the next, as it looks on the page. */
const varying: readonly (readonly [RegExp, string])[] = [
  [/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '[0-9a-f-]{36}'],
  [/[0-9a-f]{64}/g, '[0-9a-f]{64}'],
  [/\b[0-9a-f]{32}\b/g, '[0-9a-f]{32}'],
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ'],
  [/unix:uid:\d+/g, 'unix:uid:\\d+'],
  [/ +/g, ' +'],
];

/** A page's output as a pattern: `…` stands for anything. */
function patternOf(shown: string): RegExp {
  const escaped = shown.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const loose = varying.reduce((pattern, [from, to]) => pattern.replaceAll(from, () => to), escaped);
  return new RegExp(`^${loose.replaceAll('…', '[\\s\\S]*?')}$`);
}

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
    timeout: 30_000,
  }, async () => {
    expect(steps.length).toBeGreaterThan(5);
    const outputs = await takeTour();
    for (const [index, { commands, shown }] of steps.entries()) {
      expect(outputs[index] ?? 'nothing', commands).toMatch(patternOf(shown));
    }
    expect(outputs.length).toBe(steps.length + 1);
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
      writeFileSync(program, first(fences.filter(({ language }) => language === 'js')).body);
      const output = execFileSync(process.execPath, [program], {
        env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: mayfly.endpoint },
        encoding: 'utf8',
        timeout: 15_000,
      });
      expect(output).toBe('hello spiffe://example.org/web\n');
    });
  });
});
