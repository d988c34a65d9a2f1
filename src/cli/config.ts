import type { Command } from 'commander';
import type { Config } from '../config.ts';
import { adminLeaf } from './admin-leaf.ts';
import { configClientKey } from './config-client-key.ts';
import { type ConfigFlags, configFlags, loadConfig } from './config-flags.ts';
import { configGcp } from './config-gcp.ts';
import { leaf } from './leaf.ts';
import type { DocumentOf } from './shapes.ts';
import * as shapes from './shapes.ts';

export function define(config: Command): void {
  print(config);
  configGcp(config.command('gcp'));
  configClientKey(config.command('client-key'));
  adminLeaf(config.command('reload'), {
    does: 'have the running issuer read its settings again, as SIGHUP does',
    about: 'No stream notices. A setting that needs a restart is named, and stays as it is until then.',
    prints: shapes.reloaded,
    ask: async (admin) => {
      const document = await admin.ask(admin.client.reloadConfig, {});
      return { document, text: told(document) };
    },
  });
}

function told({ changed, needRestart }: DocumentOf<typeof shapes.reloaded>): string {
  if (changed.length + needRestart.length === 0) return 'Nothing has changed.\n';
  const now = changed.length === 0 ? '' : `In effect now: ${changed.join(', ')}.\n`;
  return `${now}${needRestart.length === 0 ? '' : `After a restart: ${needRestart.join(', ')}.\n`}`;
}

function print(config: Command): void {
  leaf<[], ConfigFlags>(configFlags(config.command('print')), {
    does: 'print every setting as `mayfly up` with the same options would use it',
    about: 'What is printed is itself a file for --config.',
    prints: shapes.configuration,
    examples: ['mayfly config print > mayfly.yaml'],
    act: async (_, options) => {
      const settings = await loadConfig(options);
      const { printConfig } = await import('../config.ts');
      return { document: documentOf(settings), text: printConfig(settings) };
    },
  });
}

/** Settings under the names that documents have; durations in seconds. */
const documentOf = (settings: Config): DocumentOf<typeof shapes.configuration> => ({
  trustDomain: settings.trust_domain ?? null,
  dataDir: settings.data_dir,
  socket: settings.socket,
  adminSocket: settings.admin_socket,
  http: settings.http === undefined ? null : `${settings.http.host}:${settings.http.port}`,
  logLevel: settings.log_level,
  x509SvidTtl: settings.x509_svid_ttl,
  jwtSvidTtl: settings.jwt_svid_ttl,
  caTtl: settings.ca_ttl,
  jwtCaTtl: settings.jwt_ca_ttl ?? null,
  caKeyType: settings.ca_key_type,
  jwtKeyType: settings.jwt_key_type,
  keys: settings.keys.kind,
  formerKeys: settings.former_keys.map(({ kind }) => kind),
  upstream: settings.upstream.kind,
  issuer: settings.issuer ?? null,
  issuerListen: settings.issuer_listen ?? null,
  issuerCert: settings.issuer_cert ?? null,
  issuerKey: settings.issuer_key ?? null,
  issuerX5c: settings.issuer_x5c,
  bundleEndpoints: settings.bundle_endpoints,
  bundlePublish: settings.bundle_publish,
  bundlePollFloor: settings.bundle_poll_floor,
  executableHashLimit: settings.executable_hash_limit,
  ledgerSegmentBytes: settings.ledger_segment_bytes,
});
