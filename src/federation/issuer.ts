/** Our token keys on their way to relying parties: the documents, and the listener where there is one. */
import type { Authority } from '../authority/authority.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Issuer } from '../spiffe/issuer.ts';
import { FileIdentity } from './file-identity.ts';
import { type IssuerDocuments, issuerDocuments } from './issuer-documents.ts';
import { type IssuerEndpoint, maxAgeSeconds, startIssuerEndpoint } from './issuer-endpoint.ts';

export interface IssuerPlace {
  readonly issuer: Issuer;
  readonly certificates: boolean;
  /** Undefined: the documents are put elsewhere, by `mayfly oidc export`. */
  readonly listen: ListenPlace | undefined;
}

export interface ListenPlace {
  readonly host: string;
  readonly port: number;
  /** Files; without them it is plain HTTP. */
  readonly tls: { readonly certificate: string; readonly key: string } | undefined;
}

export interface IssuerOutParts extends IssuerPlace {
  readonly authority: Pick<Authority, 'tokenKeys' | 'tokenKeyLeadMs'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface IssuerOut {
  readonly issuer: Issuer;
  readonly address: string | undefined;
  /** For how long a cache may keep the documents. */
  readonly maxAgeSeconds: number;
  problem(): string | undefined;
  reread(): void;
  /** As they are served now. */
  documents(): IssuerDocuments;
  close(): Promise<void>;
}

export async function startIssuer(parts: IssuerOutParts): Promise<IssuerOut> {
  const { issuer, listen, authority, log } = parts;
  const endpoint = listen && (await serve(listen, parts));
  if (endpoint !== undefined) log.info({ address: endpoint.address, issuer }, 'discovery and keys are served');
  return {
    issuer,
    address: endpoint?.address,
    maxAgeSeconds: maxAgeSeconds(authority.tokenKeyLeadMs),
    problem: () => endpoint?.problem(),
    reread: () => endpoint?.reread(),
    documents: () => issuerDocuments(parts, authority.tokenKeys.value),
    close: async () => endpoint?.close(),
  };
}

function serve({ host, port, tls }: ListenPlace, parts: IssuerOutParts): Promise<IssuerEndpoint> {
  const { issuer, certificates, authority, clock, log, metrics } = parts;
  return startIssuerEndpoint({
    ...{ host, port, issuer, certificates },
    identity: tls && new FileIdentity({ ...tls, clock, log, whose: 'the issuer' }),
    keys: authority.tokenKeys,
    leadMs: authority.tokenKeyLeadMs,
    counted: (status) => metrics.issuerAsked.inc({ status }),
  });
}
