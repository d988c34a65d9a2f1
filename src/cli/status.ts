import type { Command } from 'commander';
import { adminLeaf } from './admin-leaf.ts';
import { statusDocument } from './documents.ts';
import * as shapes from './shapes.ts';
import { facts, moment } from './text.ts';

export function define(command: Command): void {
  adminLeaf(command, {
    does: 'say what runs here, and how much of it',
    prints: shapes.status,
    ask: async (admin) => {
      const document = statusDocument(await admin.ask(admin.client.getStatus, {}));
      const count = (value: number): string => value.toLocaleString('en');
      const text = facts([
        ['trust domain', document.trustDomain],
        ['version', document.version],
        ['running since', moment(document.startedAt)],
        ['workload socket', document.socket],
        ['people', count(document.people)],
        ['entries', count(document.entries)],
        ['open streams', count(document.openStreams)],
        ['ledger records', count(document.ledgerRecords)],
      ]);
      return { document, text };
    },
  });
}
