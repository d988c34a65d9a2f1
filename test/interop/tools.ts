/** Builds the judges where they are missing or older than their source, and says precisely what is not installed. */
import { chmodSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '../integration/fixture.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const goDirectory = join(here, 'go');
const pyDirectory = join(here, 'py');
const venv = join(pyDirectory, 'venv');

/** Where every user can run the judges, wherever this checkout lies. */
const published = mkdtempSync(join(tmpdir(), 'mayfly-judges-'));
chmodSync(published, 0o755);
process.once('exit', () => rmSync(published, { recursive: true, force: true }));

export const goProgram = (name: string): string => join(published, 'bin', name);
export const sdkEcho = join(here, 'sdk-echo.ts');
export const pyProbe = join(published, 'probe.py');
export const python = join(published, 'venv', 'bin', 'python');

const minutes = 60_000;

export async function buildGo(): Promise<void> {
  await compileGo();
  await publish(join(goDirectory, 'bin'));
}

export async function buildPython(): Promise<void> {
  await installPython(pyDirectory);
  await publish(venv);
  await publish(join(pyDirectory, 'probe.py'));
}

async function publish(path: string): Promise<void> {
  for (const [command, ...args] of [
    ['cp', '-a', path, published],
    ['chmod', '-R', 'a+rX', join(published, basename(path))],
  ] as const) {
    const { status, stderr } = await run(command, args);
    if (status !== 0) throw new Error(stderr.trim());
  }
}

const kubernetesDirectory = join(here, 'kubernetes');
export const kubernetesProgram = join(kubernetesDirectory, 'bin', 'kubernetes');

/** A module of its own: what Kubernetes needs is older or newer than what the others need. */
export async function buildKubernetes(): Promise<void> {
  const sources = ['go.mod', 'go.sum', 'main.go'].map((file) => statSync(join(kubernetesDirectory, file)).mtimeMs);
  const built = existsSync(kubernetesProgram) && statSync(kubernetesProgram).mtimeMs > Math.max(...sources);
  if (!built) await goBuild(kubernetesDirectory, ['-o', 'bin/kubernetes', '.']);
}

/** Apart from our own packages: they bring some that mayfly must not have. */
export const buildAzure = (): Promise<void> => installNode(join(here, 'azure'));
export const buildOauth = (): Promise<void> => installNode(join(here, 'oauth'));

async function installNode(directory: string): Promise<void> {
  const [wanted, have] = ['package-lock.json', 'node_modules/.package-lock.json'].map((file) => join(directory, file));
  if (
    have !== undefined &&
    wanted !== undefined &&
    existsSync(have) &&
    statSync(have).mtimeMs >= statSync(wanted).mtimeMs
  )
    return;
  const words = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const installed = await run('npm', words, { cwd: directory, timeout: 5 * minutes });
  if (installed.status !== 0) throw new Error(`npm ci: ${installed.stderr.trim().split('\n').at(-1)}`);
}

async function goBuild(directory: string, words: readonly string[]): Promise<void> {
  const env = { ...process.env, GOFLAGS: '-buildvcs=false -mod=readonly' };
  const built = await run('go', ['build', ...words], { cwd: directory, env, timeout: 10 * minutes });
  if (built.status !== 0) throw new Error(`go build failed: ${built.stderr.trim() || 'is Go 1.26 installed?'}`);
}

async function compileGo(): Promise<void> {
  const sources = globSync(['go.*', 'cmd/*/*.go'], { cwd: goDirectory }).map((file) => join(goDirectory, file));
  const newest = Math.max(...sources.map((file) => statSync(file).mtimeMs));
  const programs = ['spiffe', 'generic', 'lint', 'server', 'oidc'].map((name) => join(goDirectory, 'bin', name));
  if (programs.every((program) => existsSync(program) && statSync(program).mtimeMs > newest)) return;
  await goBuild(goDirectory, ['-o', 'bin/', './cmd/...']);
}

/** AWS's own command line, as whoever has a cloud has it. */
export const awsCli = join(here, 'aws-cli', 'venv', 'bin', 'aws');
export const buildAwsCli = (): Promise<void> => installPython(join(here, 'aws-cli'));

/** A system Python first: one under a home directory cannot be run by other users. */
async function installPython(directory: string): Promise<void> {
  const wanted = readFileSync(join(directory, 'requirements.txt'), 'utf8');
  const venv = join(directory, 'venv');
  const stamp = join(venv, 'requirements.txt');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  const troubles: string[] = [];
  for (const interpreter of ['/usr/bin/python3', 'python3']) {
    rmSync(venv, { recursive: true, force: true });
    const made = await run(interpreter, ['-m', 'venv', venv], { timeout: minutes });
    if (made.status === 0) return install(directory, wanted, stamp);
    troubles.push(`${interpreter} -m venv: ${(made.stderr || made.stdout).trim().split('\n').at(-1)}`);
  }
  throw new Error(`no Python makes a virtual environment (apt-get install python3-venv): ${troubles.join('; ')}`);
}

async function install(directory: string, wanted: string, stamp: string): Promise<void> {
  const requirements = join(directory, 'requirements.txt');
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', '-r', requirements];
  const installed = await run(join(directory, 'venv', 'bin', 'python'), pip, { timeout: 5 * minutes });
  if (installed.status !== 0) throw new Error(`pip install: ${installed.stderr.trim().split('\n').at(-1)}`);
  writeFileSync(stamp, wanted);
}

/** Fails, rather than skips, when a tool is not there. */
export async function installed(program: string, debianPackage: string): Promise<void> {
  const { status, stderr } = await run(program, [
    program === 'openssl' ? 'version' : program.endsWith('apache2') ? '-v' : '--version',
  ]);
  if (status !== 0) throw new Error(`${program} is missing: apt-get install ${debianPackage} (${stderr.trim()})`);
}
