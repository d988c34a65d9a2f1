/** The OIDC issuer over the admin API: what it serves, for those who put it elsewhere or look at it. */
import { IdentityError } from '../errors.ts';
import type { AdminHandlers } from './admin.ts';

export interface Issuing {
  readonly issuer: string;
  readonly address: string | undefined;
  readonly maxAgeSeconds: number;
  documents(): ReadonlyMap<string, { readonly bytes: Buffer }>;
}

export const issuerMethods = (issuing: Issuing | undefined): Pick<AdminHandlers, 'getIssuer'> => ({
  getIssuer: () => {
    if (issuing === undefined) throw noIssuer();
    const documents = [...issuing.documents()].map(([path, { bytes }]) => ({ path, content: bytes }));
    return { issuer: issuing.issuer, address: issuing.address ?? '', documents, maxAge: issuing.maxAgeSeconds };
  },
});

const noIssuer = (): IdentityError =>
  new IdentityError('failed-precondition', 'there is no issuer: start with --issuer https://id.example.org');
