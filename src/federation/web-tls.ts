import { constants } from 'node:crypto';
import type { ServerOptions } from 'node:https';
import { tlsCiphers } from '../runtime/http.ts';

/**
 * Mozilla's intermediate recommendation (FD-03). Nobody is asked for a certificate (FD-10). No tickets: a session that is
 * resumed would prove nothing about the certificate of today.
 */
export const webTls = {
  minVersion: 'TLSv1.2',
  ciphers: tlsCiphers,
  ecdhCurve: 'X25519:P-256:P-384',
  secureOptions: constants.SSL_OP_NO_TICKET,
  sessionTimeout: 1,
} as const satisfies ServerOptions;
