/** What issuers above and below each other tell one another, and how the journal keeps it. */

import type { Orderer } from '../steps.ts';

/** A JWT key, as it travels between issuers. */
export interface JwtKey {
  readonly id: string;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Buffer;
}

/** A JWT key of an issuer below: in the bundle until everything that it signed has expired. */
export interface KeyBelow extends JwtKey {
  readonly publishedAt: number;
  readonly expiresAt: number;
}

/** What the issuer above publishes for the whole trust domain. */
export interface Trust {
  readonly x509Authorities: readonly Buffer[];
  readonly jwtKeys: readonly JwtKey[];
  /** Certificates of those that sign, or signed, authorities below. */
  readonly vouchers: readonly Voucher[];
}

export interface Voucher {
  readonly certificate: Buffer;
  readonly tainted: boolean;
  /** Whoever asks now gets a certificate by it. */
  readonly signs: boolean;
}

/** The same as it was last heard, with whom it was heard from: another issuer's word is no news of the one before. */
export interface TrustAbove extends Trust {
  readonly from: string;
}

/** What the ledger hears of it, before it takes effect. */
export type NestedEvent =
  | {
      readonly kind: 'upstream.heard';
      readonly from: string;
      readonly x509Authorities: number;
      readonly jwtKeys: number;
    }
  | (Partial<Orderer> &
      (
        | {
            readonly kind: 'downstream.certified';
            /** Ours that signed it. */
            readonly authority: string;
            /** The one below, by the id that it has there. */
            readonly below: string;
            readonly serial: string;
            readonly notBefore: number;
            readonly notAfter: number;
            readonly levelsBelow: number;
          }
        | { readonly kind: 'downstream.key-published'; readonly below: string; readonly expiresAt: number }
        | {
            readonly kind: 'downstream.key-removed';
            readonly below: string;
            readonly reason: 'withdrawn' | 'expired';
          }
      ));

/** What the journal keeps of issuers above and below. */
export interface NestedContent {
  readonly below: readonly KeyBelow[];
  readonly above: TrustAbove | undefined;
  /** Keys of ours that the one above is still to take out of its bundle. */
  readonly withdrawn: readonly string[];
}

export const nothingNested: NestedContent = { below: [], above: undefined, withdrawn: [] };

interface StoredKey {
  readonly id: string;
  readonly publicKey: string;
}

interface StoredVoucher extends Omit<Voucher, 'certificate'> {
  readonly certificate: string;
}

export interface StoredNested {
  readonly below?: readonly (StoredKey & Omit<KeyBelow, keyof JwtKey>)[];
  readonly above?:
    | {
        readonly from: string;
        readonly x509Authorities: readonly string[];
        readonly jwtKeys: readonly StoredKey[];
        readonly vouchers: readonly StoredVoucher[];
      }
    | undefined;
  readonly withdrawn?: readonly string[];
}

export const storedNested = ({ below, above, withdrawn }: NestedContent): StoredNested => ({
  below: below.map(storedKey),
  above: above && {
    from: above.from,
    x509Authorities: above.x509Authorities.map(text),
    jwtKeys: above.jwtKeys.map(storedKey),
    vouchers: above.vouchers.map((one) => ({ ...one, certificate: text(one.certificate) })),
  },
  withdrawn,
});

/** Earlier formats know nothing of it. */
export const nestedOf = ({ below = [], above, withdrawn = [] }: StoredNested): NestedContent => ({
  below: below.map(keyOf),
  above: above && {
    from: above.from,
    x509Authorities: above.x509Authorities.map(bytes),
    jwtKeys: above.jwtKeys.map(keyOf),
    vouchers: above.vouchers.map((one) => ({ ...one, certificate: bytes(one.certificate) })),
  },
  withdrawn,
});

const text = (buffer: Buffer): string => buffer.toString('base64');
const bytes = (base64: string): Buffer => Buffer.from(base64, 'base64');
const storedKey = <K extends JwtKey>(key: K) => ({ ...key, publicKey: text(key.publicKey) });
const keyOf = <K extends StoredKey>(key: K) => ({ ...key, publicKey: bytes(key.publicKey) });

/** The same content, whoever wrote it down. */
export const sameTrust = (one: TrustAbove | undefined, other: TrustAbove | undefined): boolean =>
  JSON.stringify(storedNested({ ...nothingNested, above: one })) ===
  JSON.stringify(storedNested({ ...nothingNested, above: other }));
