import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { encodePem } from '../x509/pem.ts';
import type { X509Context } from './x509-context.ts';
import type { X509Source } from './x509-source.ts';

/** What both sides share: TLS 1.3, and no session that a later connection could resume past the peer's SVID. */
export const protocol = {
  minVersion: 'TLSv1.3',
  secureOptions: constants.SSL_OP_NO_TICKET,
  sessionTimeout: 1,
} as const satisfies SecureContextOptions;

/** Our SVID, and the roots of every trust domain we know; which of them may vouch for a peer is asked afterwards. */
export function tlsIdentity(source: X509Source): SecureContextOptions {
  const { certificates, privateKey } = source.svid;
  return {
    ...protocol,
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }),
    cert: certificates.map(toPem).join(''),
    ca: [...source.bundles.values()].flat().map(toPem),
  };
}

/**
 * A context that is always of the newest SVID: Node asks it for its native half at every connection. So options made
 * once stay right for ever, in an agent too.
 */
export function liveSecureContext(source: X509Source): SecureContext {
  let built: { readonly of: X509Context; readonly context: SecureContext } | undefined;
  return {
    get context(): unknown {
      const of = source.context;
      if (built?.of !== of) built = { of, context: createSecureContext(tlsIdentity(source)) };
      return built.context.context;
    },
  };
}

const toPem = (der: Buffer): string => encodePem('CERTIFICATE', der);
