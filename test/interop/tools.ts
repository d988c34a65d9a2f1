/** Builds the judges where they are missing or older than their source, and says precisely what is not installed. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../integration/fixture.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const goDirectory = join(here, 'go');
const pyDirectory = join(here, 'py');
const venv = join(pyDirectory, 'venv');

/** Where every user can run them, wherever this checkout lies. */
const published = mkdtempSync(join(tmpdir(), 'mayfly-judges-'));
chmodSync(published, 0o755);
process.once('exit', () => rmSync(published, { recursive: true, force: true }));

export const goProgram = (name: string): string => join(published, name);
export const ownCli = join(here, 'cli.ts');
export const sdkEcho = join(here, 'sdk-echo.ts');
export const pyProbe = join(pyDirectory, 'probe.py');
export const python = join(venv, 'bin', 'python');

const minutes = 60_000;

export async function buildGo(): Promise<void> {
  const sources = globSync(['go.*', 'cmd/*/*.go'], { cwd: goDirectory }).map((file) => join(goDirectory, file));
  const newest = Math.max(...sources.map((file) => statSync(file).mtimeMs));
  const programs = goPrograms.map(built);
  if (programs.every((program) => existsSync(program) && statSync(program).mtimeMs > newest)) return publish();
  const env = { ...process.env, GOFLAGS: '-buildvcs=false -mod=readonly' };
  const compiled = await run('go', ['build', '-o', 'bin/', './cmd/...'], {
    cwd: goDirectory,
    env,
    timeout: 5 * minutes,
  });
  if (compiled.status !== 0) throw new Error(`go build failed: ${compiled.stderr.trim() || 'is Go 1.26 installed?'}`);
  publish();
}

const goPrograms = ['spiffe', 'generic', 'lint', 'server'];
const built = (name: string): string => join(goDirectory, 'bin', name);

function publish(): void {
  for (const name of goPrograms) {
    copyFileSync(built(name), goProgram(name));
    chmodSync(goProgram(name), 0o755);
  }
}

/** A system Python first: one under a home directory cannot be read by the users that the judge becomes. */
export async function buildPython(): Promise<void> {
  const wanted = readFileSync(join(pyDirectory, 'requirements.txt'), 'utf8');
  const stamp = join(venv, 'requirements.txt');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  const troubles: string[] = [];
  for (const interpreter of ['/usr/bin/python3', 'python3']) {
    rmSync(venv, { recursive: true, force: true });
    const made = await run(interpreter, ['-m', 'venv', venv], { timeout: minutes });
    if (made.status === 0) return install(wanted, stamp);
    troubles.push(`${interpreter} -m venv: ${(made.stderr || made.stdout).trim().split('\n').at(-1)}`);
  }
  throw new Error(`no Python makes a virtual environment (apt-get install python3-venv): ${troubles.join('; ')}`);
}

async function install(wanted: string, stamp: string): Promise<void> {
  const requirements = join(pyDirectory, 'requirements.txt');
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', '-r', requirements];
  const installed = await run(python, pip, { timeout: 5 * minutes });
  if (installed.status !== 0) throw new Error(`pip install: ${installed.stderr.trim().split('\n').at(-1)}`);
  writeFileSync(stamp, wanted);
}

/** Fails, rather than skips, when a tool is not there. */
export async function installed(program: string, debianPackage: string): Promise<void> {
  const { status, stderr } = await run(program, [program === 'openssl' ? 'version' : '--version']);
  if (status !== 0) throw new Error(`${program} is missing: apt-get install ${debianPackage} (${stderr.trim()})`);
}
