/**
 * Apache's mod_auth_openidc before a page, a verifier of its own in C: it takes our tokens by our keys, and goes on through
 * a rotation. It keeps keys for an hour, also those that are gone: what the command says of an emergency.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../bench/free-port.ts';
import { until } from '../integration/fixture.ts';
import { check, holds, same } from './checks.ts';
import { type Clouds, identity, said } from './clouds/stage.ts';
import { installed } from './tools.ts';

const audience = 'https://reports.example.org';
const modules = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'auth_openidc'];

export async function apache(clouds: Clouds): Promise<void> {
  await check('Apache and mod_auth_openidc are installed', () =>
    installed('/usr/sbin/apache2', 'apache2 libapache2-mod-auth-openidc'),
  );
  await using server = await Apache.start(clouds);
  const token = (of = audience): Promise<string> =>
    said(clouds, 'fetch', 'jwt', '--audience', of).then((one) => one.trim());

  await check('Apache lets in who shows a token of ours, by its subject, whichever key signed it', async () => {
    same('ES256', await server.ask(await token()), 200);
    await said(clouds, 'audience', 'set', 'reports', '--audience', audience, '--algorithm', 'RS256');
    same('RS256', await server.ask(await token()), 200);
    await said(clouds, 'audience', 'delete', 'reports');
  });

  await check(
    'Apache keeps out another audience, a changed token, no token, and an algorithm that is none',
    async () => {
      same('another audience', await server.ask(await token('others')), 401);
      const [header, payload, signature = ''] = (await token()).split('.');
      const changed = `${signature[0] === 'A' ? 'B' : 'A'}${signature.slice(1)}`;
      same('a changed signature', await server.ask(`${header}.${payload}.${changed}`), 401);
      const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT' })).toString('base64url');
      same('no algorithm', await server.ask(`${none}.${payload}.`), 401);
      same('no token', await server.ask(''), 401);
    },
  );

  await check(
    'OA-07 Apache accepts the first token by a new key, and the ones before, while a rotation happens',
    async () => {
      const before = await token();
      await said(clouds, 'authority', 'rotate', 'jwt', '--force-unpublished');
      await said(clouds, 'authority', 'taint', 'jwt');
      const after = await token();
      holds('another key signs', after.split('.')[0] !== before.split('.')[0]);
      same('after', await server.ask(after), 200);
      same('before', await server.ask(before), 200);
    },
  );

  await check('after an emergency Apache still believes the key that is gone, as the command says', async () => {
    const before = await token();
    same('before', await server.ask(before), 200);
    const told = await said(clouds, 'authority', 'rotate', 'jwt', '--emergency');
    holds('the command says so', /Apache mod_auth_openidc.*until its own cache ends/.test(told));
    same('still', await server.ask(before), 200);
    same('a new one', await server.ask(await token()), 200);
  });
}

class Apache implements AsyncDisposable {
  readonly #url: string;
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(url: string, process: ChildProcess) {
    this.#url = url;
    this.#process = process;
    this.#ended = new Promise((resolve) => process.once('exit', resolve));
  }

  static async start(clouds: Clouds): Promise<Apache> {
    const root = join(clouds.directory, 'apache');
    mkdirSync(join(root, 'htdocs'), { recursive: true });
    chmodSync(root, 0o755);
    writeFileSync(join(root, 'htdocs', 'index.html'), 'reports\n');
    const port = await freePort();
    writeFileSync(join(root, 'httpd.conf'), configuration(root, port, clouds));
    const started = spawn('/usr/sbin/apache2', ['-f', join(root, 'httpd.conf'), '-D', 'FOREGROUND'], {
      stdio: 'inherit',
    });
    const apache = new Apache(`http://127.0.0.1:${port}/index.html`, started);
    await until('Apache answers', () =>
      apache.ask('').then(
        (status) => status === 401,
        () => false,
      ),
    );
    return apache;
  }

  async ask(token: string): Promise<number> {
    const headers: Record<string, string> = token === '' ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(this.#url, { headers });
    await response.arrayBuffer();
    return response.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGTERM');
    await this.#ended;
  }
}

const configuration = (root: string, port: number, { issuer, tls }: Clouds): string => `
ServerRoot "${root}"
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${root}/httpd.pid
ErrorLog ${root}/error.log
${modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
User www-data
Group www-data
DocumentRoot ${root}/htdocs
OIDCOAuthVerifyJwksUri ${issuer}/keys
OIDCCABundlePath ${tls}/ca.crt
OIDCOAuthRemoteUserClaim sub
<Location />
  AuthType oauth20
  <RequireAll>
    Require claim "iss:${issuer}"
    Require claim "aud:${audience}"
    Require claim "sub:${identity}"
  </RequireAll>
</Location>
`;
