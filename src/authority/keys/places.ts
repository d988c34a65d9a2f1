/** The places that the settings name: one where keys are made now, and those where earlier ones are still found. */
import { join } from 'node:path';
import { IdentityError } from '../../errors.ts';
import { environment } from '../../runtime/environment.ts';
import { diskKeyStore } from '../disk-keys.ts';
import { type KeyStore, memoryKeyStore } from '../keys.ts';
import { secretIn } from '../secret-file.ts';
import type { VaultAuth } from '../vault-login.ts';
import { awsKmsKeyStore } from './aws-kms.ts';
import { gcpKmsKeyStore } from './gcp-kms.ts';
import { pkcs11KeyStore } from './pkcs11.ts';
import { vaultKeyStore } from './vault-transit.ts';

export interface KeyPlaces {
  /** Where new keys are made. */
  readonly present: string;
  /** Undefined for a place that is named no more: what is there is neither used nor deleted. */
  at(place: string): KeyStore | undefined;
}

interface Elsewhere {
  /** What the names of our keys begin with there. */
  readonly prefix: string;
  readonly timeoutSeconds: number;
}

/** Where keys live, as the settings say it; what is secret stays in a file or a variable until it is needed. */
export type KeyPlaceSettings =
  | { readonly kind: 'disk' }
  | { readonly kind: 'memory' }
  | ({
      readonly kind: 'pkcs11';
      readonly module: string;
      readonly token: string;
      readonly pinFile?: string | undefined;
      readonly pinVariable?: string | undefined;
      readonly sessions: number;
    } & Elsewhere)
  | ({ readonly kind: 'aws-kms'; readonly region: string; readonly endpoint?: string | undefined } & Elsewhere)
  | ({
      readonly kind: 'gcp-kms';
      readonly keyRing: string;
      readonly protection: 'hsm' | 'software';
      readonly endpoint?: string | undefined;
    } & Elsewhere)
  | ({
      readonly kind: 'vault-transit';
      readonly address: string;
      readonly mount: string;
      readonly namespace?: string | undefined;
      readonly caFile?: string | undefined;
      readonly auth: VaultAuth;
    } & Elsewhere);

/** The disk is always among them: it is where every installation begins. */
export function openKeyPlaces(
  directory: string,
  present: KeyPlaceSettings,
  former: readonly KeyPlaceSettings[],
): KeyPlaces {
  const stores = new Map<string, KeyStore>();
  for (const settings of [present, ...former, { kind: 'disk' } as const]) {
    const place = placeName(settings);
    if (!stores.has(place)) stores.set(place, open(directory, settings));
  }
  return { present: placeName(present), at: (place) => stores.get(place) };
}

export const onePlace = (store: KeyStore): KeyPlaces => ({ present: 'disk', at: () => store });

/** Says what makes it this place and no other: the journal keeps it for each key. */
export function placeName(settings: KeyPlaceSettings): string {
  switch (settings.kind) {
    case 'disk':
    case 'memory':
      return settings.kind;
    case 'pkcs11':
      return `pkcs11:${settings.token}/${settings.prefix}`;
    case 'aws-kms':
      return `aws-kms:${settings.region}/${settings.prefix}`;
    case 'gcp-kms':
      return `gcp-kms:${settings.keyRing}/${settings.prefix}`;
    case 'vault-transit':
      return `vault-transit:${settings.address}/${settings.mount}/${settings.prefix}`;
  }
}

function open(directory: string, settings: KeyPlaceSettings): KeyStore {
  if (settings.kind === 'disk') return diskKeyStore(join(directory, 'keys'));
  if (settings.kind === 'memory') return memoryKeyStore();
  const timeoutMs = settings.timeoutSeconds * 1000;
  switch (settings.kind) {
    case 'pkcs11':
      return pkcs11KeyStore({ ...settings, timeoutMs, pin: pinOf(settings) });
    case 'aws-kms':
      return awsKmsKeyStore({ ...settings, timeoutMs });
    case 'gcp-kms':
      return gcpKmsKeyStore({ ...settings, timeoutMs });
    case 'vault-transit':
      return vaultKeyStore({ ...settings, timeoutMs });
  }
}

function pinOf({ pinFile, pinVariable }: Extract<KeyPlaceSettings, { kind: 'pkcs11' }>): () => string {
  if (pinFile !== undefined) return () => secretIn(pinFile);
  return () => {
    const pin = environment.named(pinVariable ?? '');
    if (pin !== undefined) return pin;
    const message = `the variable ${pinVariable}, which keys.pin_variable names, is not set: set it, or name a pin_file`;
    throw new IdentityError('failed-precondition', message);
  };
}
