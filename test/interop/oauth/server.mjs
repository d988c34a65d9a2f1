/**
 * A certified OpenID provider as the authorisation server of three clients, which prove themselves by certificate and by keys of
 * their own: `node server.mjs OPTIONS`, JSON. Prints its issuer.
 */

import { readFileSync } from 'node:fs';
import https from 'node:https';
import Provider from 'oidc-provider';

const { port, cert, key, clientRoots, spiffeId, jwks, registered } = JSON.parse(process.argv[2]);
const issuer = `https://localhost:${port}`;
const common = { grant_types: ['client_credentials'], response_types: [], redirect_uris: [], scope: 'read' };

const provider = new Provider(issuer, {
  clients: [
    {
      ...common,
      client_id: spiffeId,
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_san_uri: spiffeId,
    },
    {
      ...common,
      client_id: 'web',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks,
      token_endpoint_auth_signing_alg: 'ES256',
    },
    {
      ...common,
      client_id: 'registered',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: registered,
      token_endpoint_auth_signing_alg: 'ES256',
    },
  ],
  scopes: ['read'],
  clientAuthMethods: ['tls_client_auth', 'private_key_jwt'],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    mTLS: {
      enabled: true,
      tlsClientAuth: true,
      getCertificate: (ctx) => ctx.socket.getPeerX509Certificate()?.toString(),
      certificateAuthorized: (ctx) => ctx.socket.authorized,
      certificateSubjectMatches: (ctx, property, expected) =>
        property === 'tls_client_auth_san_uri' &&
        ctx.socket.getPeerX509Certificate()?.subjectAltName === `URI:${expected}`,
    },
  },
});

const options = {
  cert: readFileSync(cert),
  key: readFileSync(key),
  ca: readFileSync(clientRoots),
  requestCert: true,
  rejectUnauthorized: false,
};
https.createServer(options, provider.callback()).listen(port, '127.0.0.1', () => process.stdout.write(`${issuer}\n`));
