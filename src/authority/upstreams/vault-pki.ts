/** The PKI engine of HashiCorp Vault or OpenBao above ours: it signs what we ask for, with rules of its own. */
import { z } from 'zod';
import { IdentityError } from '../../errors.ts';
import { decodePem, encodePem } from '../../x509/pem.ts';
import { certificateRequest } from '../certificate.ts';
import type { UpstreamAuthority } from '../upstream.ts';
import { Vault, type VaultAccess, vaultRefusal } from '../vault.ts';
import { sorted } from './roots.ts';

export interface VaultPkiSettings extends VaultAccess {
  /** PEM: what is to be trusted, where the engine's chain does not end in a root. */
  readonly rootsFile?: string | undefined;
}

export function vaultPkiUpstream(settings: VaultPkiSettings): UpstreamAuthority {
  const vault = new Vault(settings);
  return {
    name: vault.place,
    certify: async (request, signer) => {
      const csr = encodePem('CERTIFICATE REQUEST', await certificateRequest(request, signer));
      const ttl = `${Math.floor((request.notAfter - request.notBefore) / 1000)}s`;
      const body = { csr, use_csr_values: true, format: 'pem', max_path_length: request.levelsBelow, ttl };
      const answer = await vault.ask(signed, { method: 'POST', path: '/root/sign-intermediate', body });
      if (answer === undefined) throw vaultRefusal(vault.place, 404, 'nothing is mounted there');
      const { certificate, issuing_ca, ca_chain = [issuing_ca] } = answer.data;
      const made = one(certificate, vault.place);
      // Vault begins the chain with the certificate that it has just made.
      const above = ca_chain.flatMap((text) => pemIn(text, vault.place)).filter((der) => !der.equals(made));
      return { certificate: made, upstream: sorted(above, settings.rootsFile, vault.place) };
    },
  };
}

const one = (text: string, place: string): Buffer => pemIn(text, place)[0] ?? Buffer.alloc(0);

function pemIn(text: string, place: string): Buffer[] {
  try {
    return decodePem('CERTIFICATE', text);
  } catch (cause) {
    throw new IdentityError('unavailable', `${place} answers with what is not PEM`, {
      cause,
      reason: 'upstream-wrong',
    });
  }
}

const pem = z.string().max(64 * 1024);
const signed = z.object({
  data: z.object({ certificate: pem, issuing_ca: pem, ca_chain: z.array(pem).min(1).max(8).optional() }),
});
