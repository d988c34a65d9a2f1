import { type Command, Option } from 'commander';
import { adminLeaf } from './admin-leaf.ts';
import { certificatePem } from './pem.ts';
import * as shapes from './shapes.ts';

type Format = 'pem' | 'jwks' | 'spiffe';

export function define(bundle: Command): void {
  const command = bundle.command('show');
  const formats = 'X.509 authorities, JWT keys, or both as a SPIFFE bundle';
  command.addOption(new Option('--format <format>', formats).choices(['pem', 'jwks', 'spiffe']).default('pem'));
  adminLeaf<[], { format: Format }>(command, {
    does: 'print the trust bundle: what others need to believe what mayfly signs',
    prints: shapes.bundle,
    examples: ['mayfly bundle show > bundle.pem', 'mayfly bundle show --format jwks'],
    ask: async (admin, _, { format }) => {
      const { trustDomain, x509Authorities, jwks, spiffe } = await admin.ask(admin.client.getBundle, {});
      const certificates = x509Authorities.map(certificatePem);
      const document = {
        trustDomain,
        x509Authorities: certificates,
        jwks: JSON.parse(jwks) as object,
        spiffe: JSON.parse(spiffe) as object,
      };
      const texts: Record<Format, string> = { pem: certificates.join(''), jwks: `${jwks}\n`, spiffe: `${spiffe}\n` };
      return { document, text: texts[format] };
    },
  });
}
