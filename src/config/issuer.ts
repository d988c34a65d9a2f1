/** Settings of the OIDC issuer, and what they need of each other. */
import { isIP } from 'node:net';
import type { z } from 'zod';
import type { IssuerPlace } from '../federation/federation.ts';
import { Issuer } from '../spiffe/issuer.ts';
import { absolutePath, addressOf, listenAddress, parsed } from './fields.ts';

export const issuer = parsed(Issuer.parse).optional();
export const issuerListen = listenAddress.optional();
export const issuerFile = absolutePath.optional();

/** Fourteen days: published for four and a half before it signs, and for two and a third afterwards. */
const relyingPartyLifeSeconds = 14 * 86_400;

/** How long a key signs tokens for relying parties that keep a copy of it as long as they like. */
export const jwtCaTtl = (settings: {
  readonly issuer?: Issuer | undefined;
  readonly ca_ttl: number;
  readonly jwt_ca_ttl?: number | undefined;
}): number => settings.jwt_ca_ttl ?? (settings.issuer === undefined ? settings.ca_ttl : relyingPartyLifeSeconds);

interface IssuerSettings {
  readonly issuer?: Issuer | undefined;
  readonly issuer_listen?: string | undefined;
  readonly issuer_cert?: string | undefined;
  readonly issuer_key?: string | undefined;
}

/** With the names that code has. */
export function issuerPlace(settings: IssuerSettings & { readonly issuer_x5c: boolean }): IssuerPlace | undefined {
  const { issuer: url, issuer_listen: text, issuer_cert: certificate, issuer_key: key } = settings;
  if (url === undefined) return undefined;
  const tls = certificate === undefined || key === undefined ? undefined : { certificate, key };
  const address = text === undefined ? undefined : addressOf(text);
  return { issuer: url, certificates: settings.issuer_x5c, listen: address && { ...address, tls } };
}

/** One setting says something about another: the one that is wrong, or missing, is named. */
export function checkIssuer(settings: IssuerSettings, context: z.core.$RefinementCtx): void {
  const [name, message] = faultOf(settings) ?? [];
  if (name !== undefined) context.addIssue({ code: 'custom', path: [name], message: message ?? '', input: settings });
}

function faultOf(settings: IssuerSettings): [keyof IssuerSettings, string] | undefined {
  const { issuer: url, issuer_listen: listen, issuer_cert: cert, issuer_key: key } = settings;
  const first = (['issuer_listen', 'issuer_cert', 'issuer_key'] as const).find((name) => settings[name] !== undefined);
  if (url === undefined) return first && [first, 'says how to serve an issuer that is not set: set issuer too'];
  if (listen === undefined) return first && [first, 'is the certificate of nobody: set issuer_listen too'];
  if (cert !== undefined && key === undefined) return ['issuer_cert', 'needs its key: set issuer_key too'];
  if (key !== undefined && cert === undefined) return ['issuer_key', 'needs its certificate: set issuer_cert too'];
  if (cert !== undefined || isLoopback(listen)) return undefined;
  return ['issuer_listen', 'without issuer_cert and issuer_key is for a proxy on this host: use a loopback address'];
}

function isLoopback(text: string): boolean {
  const host = addressOf(text)?.host ?? '';
  return host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
