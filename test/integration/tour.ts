/** Runs what a page shows: its commands in one shell, as they stand there, held against the output under them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { until } from './fixture.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Fence {
  readonly language: string;
  readonly body: string;
}

export const fencesOf = (page: string): readonly Fence[] =>
  [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language = '', body = '']) => ({ language, body }));

export interface Step {
  readonly commands: string;
  readonly shown: string;
}

/** Each block of commands with the output that the page shows under it. */
export function stepsOf(page: string): readonly Step[] {
  const fences = fencesOf(page);
  return fences.flatMap((fence, index) => {
    const shown = fences[index + 1];
    return fence.language === 'sh' && shown?.language === 'text' ? [{ commands: fence.body, shown: shown.body }] : [];
  });
}

const marker = 'end of block';
/** Reads blocks, each ended by a zero byte, and runs them one after the other as its own commands. */
const typist = `set -eu; exec 2>&1; while IFS= read -r -d '' -u 3 block; do eval "$block"; echo '${marker}'; done`;

/**
 * Types one block after the other into a shell, each once the one before is done and has said what the page shows: what
 * runs in the background says so in its own time. The tour's files go with its directory, its jobs with their group.
 */
export async function takeTour(steps: readonly Step[], more: Readonly<Record<string, string>> = {}): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'mayfly-tour-'));
  const { MAYFLY_ADMIN_SOCKET: _admin, SPIFFE_ENDPOINT_SOCKET: _endpoint, ...environment } = process.env;
  const shell = spawn('bash', ['-c', typist], {
    cwd: root,
    env: { ...environment, TMPDIR: home, ...more },
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
      const complete = (): boolean => shell.exitCode !== null || (said !== whole() && patternOf(shown).test(whole()));
      await until(commands, complete, 60_000).catch(() => undefined);
      assert.match(whole(), patternOf(shown), `${commands}\nsaid\n${whole()}\nand the page shows\n${shown}`);
      assert.ok(said.includes(marker), `this did not end: ${commands}`);
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
    assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH');
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
