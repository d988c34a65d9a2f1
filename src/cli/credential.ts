import { type Command, Option } from 'commander';
import { reasons } from '../x509/crl.ts';
import { adminLeaf } from './admin-leaf.ts';
import { type RevocationDocument, revocationDocument } from './documents.ts';
import * as shapes from './shapes.ts';
import { moment, table } from './text.ts';

export function define(credential: Command): void {
  revoke(credential.command('revoke'));
  list(credential.command('list'));
}

function revoke(command: Command): void {
  command.option('--serial <hex>', 'the X.509-SVID with this serial number');
  command.option('--jti <id>', 'the JWT-SVID with this jti');
  const why = new Option('--reason <reason>', 'why, for those who read the list');
  command.addOption(why.choices(Object.keys(reasons)).default('unspecified'));
  adminLeaf<[], { serial?: string; jti?: string; reason: string }>(command, {
    does: 'take back one credential before its end',
    about:
      'Its holder is given another at once, if it is still owed one. To stop that too, delete the entry or disable its owner.',
    prints: shapes.revocation,
    examples: ['mayfly credential revoke --serial 29cd9a5f6c097582f9a0c768394f6380 --reason keyCompromise'],
    ask: async (admin, _, { serial = '', jti = '', reason }) => {
      const plain = serial.replaceAll(':', '').toLowerCase();
      const request = { serial: plain, jti, reason };
      const document = revocationDocument(await admin.ask(admin.client.revokeCredential, request, true));
      const name = document.serial === null ? `The JWT-SVID ${document.jti}` : `The X.509-SVID ${document.serial}`;
      return {
        document,
        text: `${name} of ${document.spiffeId} is revoked; it would have ended ${moment(document.expiresAt)}.\n`,
      };
    },
  });
}

function list(command: Command): void {
  adminLeaf(command, {
    does: 'list what was taken back and has not expired',
    prints: shapes.revocations,
    ask: async (admin) => {
      const { revocations } = await admin.ask(admin.client.listRevocations, {}, true);
      const documents = revocations.map(revocationDocument);
      return { document: { revocations: documents }, text: revocationTable(documents) };
    },
  });
}

function revocationTable(revocations: readonly RevocationDocument[]): string {
  if (revocations.length === 0) return 'Nothing that is still valid was taken back.\n';
  const rows = revocations.map((r) => [
    r.serial === null ? 'jwt' : 'x509',
    r.serial ?? r.jti ?? '',
    r.spiffeId,
    r.reason,
    moment(r.revokedAt),
    moment(r.expiresAt),
  ]);
  return table(['KIND', 'SERIAL OR JTI', 'SPIFFE ID', 'REASON', 'REVOKED', 'EXPIRES'], rows);
}
