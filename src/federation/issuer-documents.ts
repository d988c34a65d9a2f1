/** What the OIDC issuer says, under the paths where it says it. Written once for each set of keys, not for each who asks. */
import { hash } from 'node:crypto';
import { Issuer } from '../spiffe/issuer.ts';
import { discoveryDocument, keySet, keyViews, type TokenKey, viewOf } from '../spiffe/oidc.ts';

export interface IssuerDocument {
  readonly bytes: Buffer;
  readonly etag: string;
}

export interface IssuerSettings {
  readonly issuer: Issuer;
  /** Whether the set that discovery names has certificates beside the keys. */
  readonly certificates: boolean;
}

/** Path, and query where there is one, of each document below the issuer's host. */
export type IssuerDocuments = ReadonlyMap<string, IssuerDocument>;

const openid = '/.well-known/openid-configuration';
const oauth = '/.well-known/oauth-authorization-server';

export function issuerDocuments({ issuer, certificates }: IssuerSettings, keys: readonly TokenKey[]): IssuerDocuments {
  const path = Issuer.path(issuer);
  const discovery = written(discoveryDocument(issuer, keys));
  const keysPath = `${path}/keys`;
  return new Map([
    [path + openid, discovery],
    // RFC 8414 section 3 puts its own part between host and path.
    [openid + path, discovery],
    [oauth + path, discovery],
    [keysPath, written(keySet(keys, certificates))],
    ...keyViews.map((view) => [`${keysPath}?for=${view}`, written(viewOf[view](keys))] as const),
  ]);
}

function written(document: object): IssuerDocument {
  const bytes = Buffer.from(JSON.stringify(document));
  return { bytes, etag: `"${hash('sha256', bytes, 'hex').slice(0, 32)}"` };
}
