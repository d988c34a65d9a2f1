import { IdentityError } from '../errors.ts';

/** Which rule refused a certificate. For the operator's log. */
export type CertificateReason =
  | 'der'
  | 'certificate-version'
  | 'certificate-serial'
  | 'certificate-algorithm'
  | 'certificate-name'
  | 'certificate-validity'
  | 'certificate-key'
  | 'certificate-extension'
  | 'crl-form'
  | 'request-proof';

/** Which rule refused a path. */
export type PathReason =
  | 'path-empty'
  | 'path-too-long'
  | 'path-too-costly'
  | 'path-no-issuer'
  | 'path-signature'
  | 'path-not-yet-valid'
  | 'path-expired'
  | 'path-not-a-ca'
  | 'path-no-cert-sign'
  | 'path-length-exceeded'
  | 'path-critical-extension'
  | 'path-name-constraints';

/** The shape of a certificate is no secret of anyone's: the message says what is wrong with it. */
export const refuseCertificate = (reason: CertificateReason, detail: string, cause?: unknown): IdentityError =>
  new IdentityError('invalid-argument', `The certificate is not valid: ${detail}`, { reason, cause });

/** Whether and why a chain is not trusted is for the operator alone: one message for all of it. */
export const refusePath = (reason: PathReason): IdentityError =>
  new IdentityError('invalid-argument', 'The certificate path is not valid', { reason });
