import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { mayfly } from '../../test/fakes/command-line.ts';
import { faults } from '../../test/fakes/conforms.ts';
import * as shapes from './shapes.ts';

const directory = mkdtempSync(join(tmpdir(), 'usage-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('usage', () => {
  it('without words is help, and asking for help is no error', async () => {
    for (const words of [[], ['--help'], ['help', 'person'], ['person', 'add', '--help']]) {
      const { out, err, code } = await mayfly(words);
      expect({ err, code }).toEqual({ err: '', code: 0 });
      expect(out).toMatch(/^Usage: mayfly/);
    }
  });

  it.each([
    [['persn'], "unknown command 'persn' (Did you mean person?)", '`mayfly --help` shows'],
    [['person', 'ad'], "unknown command 'ad' (Did you mean add?)", '`mayfly person --help` shows'],
    [['person'], 'mayfly person needs a command', '`mayfly person --help` shows'],
    [['person', 'add', 'ada'], "required option '--name <name>' not specified", '`mayfly person add --help` shows'],
    [['person', 'show'], "missing required argument 'id'", '`mayfly person show --help` shows'],
    [['version', 'x'], 'too many arguments', '`mayfly version --help` shows'],
    [['bundle', 'show', '--format', 'der'], 'Allowed choices are pem, jwks, spiffe', '`mayfly bundle show --help`'],
    [['explain', '--pid', '0'], "'0' is not a process id: 1 to 4194304", '`mayfly explain --help` shows'],
    [['ledger', 'list', '--since', 'x'], "'x' is not a time: write RFC 3339", '`mayfly ledger list --help` shows'],
    [['entry', 'create', '--x509-ttl', '1w'], "'1w' is not a duration", '`mayfly entry create --help` shows'],
    [['entry', 'create', '--owner', 'ada'], 'missing: --spiffe-id, --selector', 'An entry needs an identity'],
    [['entry', 'create', '--file', 'x', '--owner', 'a'], '--file says everything', 'Leave the other options out'],
    [['entry', 'update', 'e1'], 'nothing to change', 'Name the fields'],
    [['ledger', 'show'], 'no record is named', 'Name one by its number'],
  ])('%j ends with 2', async (words, message, next) => {
    const { out, err, code } = await mayfly(words);
    expect({ out, code }).toEqual({ out: '', code: 2 });
    expect(err).toContain(message);
    expect(err).toContain(next);
  });

  it('tells a program in JSON even where the words could not be read', async () => {
    const { err, code } = await mayfly(['person', '--json', 'ad']);
    expect(code).toBe(2);
    expect(JSON.parse(err).error.code).toBe('invalid-argument');
  });
});

describe('config print', () => {
  it('prints a file that --config reads, and a document for programs', async () => {
    const file = join(directory, 'mayfly.yaml');
    writeFileSync(file, (await mayfly(['config', 'print', '--trust-domain', 'example.org', '--jwt-ttl', '90s'])).out);
    const { out } = await mayfly(['config', 'print', '--config', file, '--socket', 'w.sock', '--json'], {
      cwd: directory,
    });
    expect(faults(JSON.parse(out), shapes.configuration)).toEqual([]);
    expect(JSON.parse(out)).toMatchObject({
      trustDomain: 'example.org',
      jwtSvidTtl: 90,
      socket: `${directory}/w.sock`,
    });
  });

  it('names file and line of what is wrong', async () => {
    const file = join(directory, 'bad.yaml');
    writeFileSync(file, 'log_level: info\nca_ttl: soon\n');
    const { err, code } = await mayfly(['config', 'print', '--config', file]);
    expect({ code, err }).toMatchObject({ code: 2, err: expect.stringContaining(`${file}:2: ca_ttl: 'soon' is not`) });
    expect((await mayfly(['config', 'print', '--config', join(directory, 'none')])).code).toBe(4);
  });
});

describe('a socket where nobody answers', () => {
  const status = (path: string, uid?: number) =>
    mayfly(['status', '--admin-socket', path], uid === undefined ? {} : { uid });

  it('that does not exist: mayfly is not running there', async () => {
    const { err, code } = await status(join(directory, 'none.sock'));
    expect(code).toBe(8);
    expect(err).toBe(
      `error: mayfly is not running here: there is no admin socket at ${directory}/none.sock\n` +
        '  Start it with `mayfly up`, or name where it listens with --admin-socket or MAYFLY_ADMIN_SOCKET.\n',
    );
  });

  it('that is left over: nobody listens', async () => {
    const path = join(directory, 'plain');
    writeFileSync(path, '');
    expect(await status(path)).toMatchObject({ code: 8, err: expect.stringContaining(`nobody listens at ${path}`) });
  });

  it('whose path is too long for a socket', async () => {
    const ended = await status(`/${'x'.repeat(120)}`);
    expect(ended).toMatchObject({ code: 2, err: expect.stringContaining('is too long for a socket') });
  });

  it.skipIf(process.getuid?.() !== 0)("that is another's: says whose", async () => {
    chmodSync(directory, 0o755);
    const home = join(directory, 'closed');
    mkdirSync(home);
    chmodSync(home, 0o755);
    const path = join(home, 'admin.sock');
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(path, resolve));
    chmodSync(path, 0o600);
    const onSocket = await status(path, 65534);
    chmodSync(home, 0o700);
    const onDirectory = await status(path, 65534);
    server.close();
    expect(onSocket).toMatchObject({ code: 3 });
    expect(onSocket.err).toContain(`${path} belongs to root (uid 0), mode 0600`);
    expect(onDirectory.err).toContain(`${home} belongs to root (uid 0), mode 0700`);
  });
});
