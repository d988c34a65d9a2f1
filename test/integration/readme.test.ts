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
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { first, type Mayfly, startMayfly, until } from './fixture.ts';

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
/** Reads blocks, each ended by a zero byte, and runs them one after the other as its own commands. */
const typist = `set -eu; exec 2>&1; while IFS= read -r -d '' -u 3 block; do eval "$block"; echo '${marker}'; done`;

/**
 * Types one block after the other into a shell, each once the one before is done and has said what the page shows: what
 * runs in the background says so in its own time. The tour's files go with its directory, its jobs with their group.
 */
async function takeTour(): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'mayfly-tour-'));
  const { MAYFLY_ADMIN_SOCKET: _admin, SPIFFE_ENDPOINT_SOCKET: _endpoint, ...environment } = process.env;
  const shell = spawn('bash', ['-c', typist], {
    cwd: root,
    env: { ...environment, TMPDIR: home },
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
  });
  const keyboard = shell.stdio[3] as Writable;
  keyboard.on('error', () => undefined);
  let said = '';
  shell.stdout?.on('data', (text: Buffer) => {
    said += text.toString();
  });
  try {
    for (const { commands, shown } of steps) {
      said = '';
      keyboard.write(`${commands}\0`);
      const whole = (): string => said.replace(`${marker}\n`, '');
      const complete = (): boolean => said !== whole() && patternOf(shown).test(whole());
      await until(commands, complete, 60_000).catch(() => undefined);
      expect(whole(), commands).toMatch(patternOf(shown));
      expect(said, commands).toContain(marker);
    }
  } finally {
    keyboard.end();
    killGroup(shell.pid ?? 0);
    rmSync(home, { recursive: true, force: true });
  }
}

/** It is gone by itself when all went well. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    expect(error).toMatchObject({ code: 'ESRCH' });
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
    timeout: 300_000,
  }, async () => {
    expect(steps.length).toBeGreaterThan(5);
    await takeTour();
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
        timeout: 60_000,
      });
      expect(output).toBe('hello spiffe://example.org/web\n');
    });
  });
});
