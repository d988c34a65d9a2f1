/** Every kind of place where keys can live, as a machine on which tests can open it, and take it away and bring it back. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { diskKeyStore } from '../../src/authority/disk-keys.ts';
import { awsKmsKeyStore } from '../../src/authority/keys/aws-kms.ts';
import { gcpKmsKeyStore } from '../../src/authority/keys/gcp-kms.ts';
import { pkcs11KeyStore } from '../../src/authority/keys/pkcs11.ts';
import { vaultKeyStore } from '../../src/authority/keys/vault-transit.ts';
import type { KeyStore } from '../../src/authority/keys.ts';
import { awsEnvironment, awsRegion, FakeAwsKms } from './aws-kms.ts';
import { FakeGcpKms, gcpEnvironment, gcpKeyRing } from './gcp-kms.ts';
import type { JsonServer } from './json-server.ts';
import { localTls } from './local-tls.ts';
import { SoftHsm, softHsmModule } from './softhsm.ts';
import { FakeVault } from './vault.ts';

export interface KeyPlace extends AsyncDisposable {
  /** Another process's view of the same place. */
  open(prefix?: string): KeyStore;
  /** The same place in the settings of a real issuer, and what must be in its environment. */
  written(prefix: string): string;
  readonly environment?: Readonly<Record<string, string>>;
  /** From now on nobody answers, until it is back. */
  remove(): void;
  restore(): void;
  /** Keys that no name leads to. */
  strays?(): number;
  /** Of a service: where requests arrive. */
  readonly server?: JsonServer;
}

export const keyPlaces: Readonly<Record<string, () => Promise<KeyPlace>>> = {
  disk: async () => {
    const directory = mkdtempSync(join(tmpdir(), 'mayfly-place-'));
    return {
      open: (prefix = 'mayfly-') => diskKeyStore(join(directory, prefix)),
      written: () => '{ kind: disk }',
      remove: () => renameSync(directory, `${directory}.away`),
      restore: () => renameSync(`${directory}.away`, directory),
      [Symbol.asyncDispose]: async () => rmSync(directory, { recursive: true, force: true }),
    };
  },

  pkcs11: async () => {
    const hsm = new SoftHsm('mayfly');
    Object.assign(process.env, hsm.environment);
    const settings = { module: softHsmModule(), token: 'mayfly', pin: () => hsm.pin, sessions: 3, timeoutMs: 20_000 };
    return {
      open: (prefix = 'mayfly-') => pkcs11KeyStore({ ...settings, prefix }),
      written: (prefix) =>
        `{ kind: pkcs11, module: ${softHsmModule()}, token: mayfly, pin_file: ${hsm.pinFile}, prefix: ${prefix} }`,
      environment: hsm.environment,
      remove: () => hsm.remove(),
      restore: () => hsm.insert(),
      [Symbol.asyncDispose]: async () => hsm[Symbol.dispose](),
    };
  },

  'aws-kms': async () => {
    Object.assign(process.env, awsEnvironment);
    const kms = await FakeAwsKms.start();
    return {
      open: (prefix = 'mayfly-') =>
        awsKmsKeyStore({ region: awsRegion, endpoint: kms.server.address, prefix, timeoutMs: 20_000 }),
      ...switched(kms.server),
      strays: () => kms.orphans,
      written: (prefix) =>
        `{ kind: aws-kms, region: ${awsRegion}, endpoint: "${kms.server.address}", prefix: ${prefix} }`,
      environment: awsEnvironment,
      [Symbol.asyncDispose]: () => kms[Symbol.asyncDispose](),
    };
  },

  'gcp-kms': async () => {
    const directory = mkdtempSync(join(tmpdir(), 'mayfly-place-'));
    const environment = gcpEnvironment(join(directory, 'account.json'));
    Object.assign(process.env, environment);
    const kms = await FakeGcpKms.start();
    const settings = {
      keyRing: gcpKeyRing,
      protection: 'hsm',
      endpoint: kms.server.address,
      timeoutMs: 20_000,
    } as const;
    return {
      open: (prefix = 'mayfly-') => gcpKmsKeyStore({ ...settings, prefix }),
      written: (prefix) =>
        `{ kind: gcp-kms, key_ring: ${gcpKeyRing}, endpoint: "${kms.server.address}", prefix: ${prefix} }`,
      environment,
      ...switched(kms.server),
      [Symbol.asyncDispose]: async () => {
        await kms[Symbol.asyncDispose]();
        rmSync(directory, { recursive: true });
      },
    };
  },

  'vault-transit': async () => {
    const tls = localTls();
    const vault = await FakeVault.start(tls);
    const { address } = vault.server;
    const tokenFile = join(tls.directory, 'token');
    writeFileSync(tokenFile, vault.token, { mode: 0o600 });
    const settings = { address, caFile: tls.caFile, timeoutMs: 20_000, mount: 'transit', auth: { tokenFile } };
    return {
      open: (prefix = 'mayfly-') => vaultKeyStore({ ...settings, prefix }),
      written: (prefix) =>
        `{ kind: vault-transit, address: "${address}", ca_file: ${tls.caFile}, token_file: ${tokenFile}, prefix: ${prefix} }`,
      ...switched(vault.server),
      [Symbol.asyncDispose]: async () => {
        await vault[Symbol.asyncDispose]();
        tls[Symbol.dispose]();
      },
    };
  },
};

const switched = (server: JsonServer): Pick<KeyPlace, 'remove' | 'restore' | 'server'> => ({
  server,
  remove: () => {
    server.trouble = 'away';
  },
  restore: () => {
    server.trouble = undefined;
  },
});
