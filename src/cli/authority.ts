import type { Command } from 'commander';
import { adminLeaf } from './admin-leaf.ts';
import { type AuthorityDocument, authorityDocument } from './documents.ts';
import * as shapes from './shapes.ts';
import { moment, table } from './text.ts';

export function define(authority: Command): void {
  adminLeaf(authority.command('list'), {
    does: 'list what signs now, what will, and what did and is still believed',
    prints: shapes.authorities,
    ask: async (admin) => {
      const { authorities } = await admin.ask(admin.client.listAuthorities, {});
      const documents = authorities.map(authorityDocument);
      return { document: { authorities: documents }, text: authorityTable(documents) };
    },
  });
}

function authorityTable(authorities: readonly AuthorityDocument[]): string {
  const rows = authorities.map((a) => [
    a.kind,
    a.state,
    a.keyType,
    moment(a.preparedAt),
    moment(a.activatesAt),
    moment(a.expiresAt),
    a.id,
  ]);
  return table(['KIND', 'STATE', 'KEY', 'PREPARED', 'SIGNS FROM', 'EXPIRES', 'ID'], rows);
}
