/** The stable JSON of commands about what relying parties outside SPIFFE see of us. */
import { order, shape } from './shapes.ts';

export const audience = shape({
  name: 'string',
  source: 'string',
  audiences: ['string'],
  algorithm: 'string | null',
  ttl: 'number',
  singleUse: 'boolean',
  derivedTtl: 'number',
  claims: 'object',
});
export const audiences = shape({ audiences: [audience] });
export const issuer = shape({
  issuer: 'string',
  address: 'string | null',
  documents: [{ path: 'string', content: 'object' }],
});
export const exported = shape({ issuer: 'string', files: ['string'] });
export const lint = shape({
  issuer: 'string',
  ok: 'boolean',
  findings: [{ for: 'string', rule: 'string', state: 'string', says: 'string', fix: 'string' }],
});
/** `relyingParties`: after an emergency, what each kind of them still accepts; null = it does not end by itself. */
export const rotation = shape({
  ...order,
  relyingParties: [{ name: 'string', accepts: 'string', until: 'time | null' }],
});
