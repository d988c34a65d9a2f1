import type { Command } from 'commander';
import { IdentityError } from '../errors.ts';
import { systemClock } from '../runtime/clock.ts';
import { adminLeaf } from './admin-leaf.ts';
import { orderCommands } from './authority-order.ts';
import { drawTimeline } from './authority-timeline.ts';
import { type AuthorityDocument, authorityDocument, timelineDocument } from './documents.ts';
import { parsed } from './leaf.ts';
import { parseMoment } from './moment.ts';
import * as shapes from './shapes.ts';
import { facts, moment, table } from './text.ts';

export function define(authority: Command): void {
  list(authority.command('list'));
  show(authority.command('show <id>'));
  timeline(authority.command('timeline'));
  orderCommands(authority);
}

function list(command: Command): void {
  adminLeaf(command, {
    does: 'list what signs now, what will, and what did and is still believed',
    prints: shapes.authorities,
    ask: async (admin) => {
      const { authorities } = await admin.ask(admin.client.listAuthorities, {});
      const documents = authorities.map(authorityDocument);
      return { document: { authorities: documents }, text: authorityTable(documents) };
    },
  });
}

function show(command: Command): void {
  adminLeaf<[id: string], object>(command, {
    does: 'show one authority, named by the beginning of its id',
    prints: shapes.authority,
    ask: async (admin, [id]) => {
      const { authorities } = await admin.ask(admin.client.listAuthorities, {});
      const [found, another] = authorities.filter((one) => one.id.startsWith(id));
      if (found === undefined || another !== undefined) {
        const fault =
          found === undefined ? 'there is no authority' : 'more than one authority has an id that begins with';
        throw new IdentityError('not-found', `${fault} ${id}; see what exists: mayfly authority list`);
      }
      const document = authorityDocument(found);
      return { document, text: oneAuthority(document) };
    },
  });
}

function timeline(command: Command): void {
  const until = (text: string): number => parseMoment(text, systemClock.now(), 'ahead');
  command.option('--until <time>', 'how far to look: RFC 3339, or 30d (from now)', parsed(until));
  adminLeaf<[], { until?: number }>(command, {
    does: 'draw when each key was or will be published, activated, retired',
    prints: shapes.timeline,
    ask: async (admin, _, options) => {
      const asked = options.until === undefined ? undefined : new Date(options.until);
      const document = timelineDocument(await admin.ask(admin.client.getAuthorityTimeline, { until: asked }));
      return { document, text: drawTimeline(document) };
    },
  });
}

const oneAuthority = (a: AuthorityDocument): string =>
  facts([
    ['id', a.id],
    ['kind', a.kind],
    ['key', `${a.keyType}, ${a.keyPlace}`],
    ['state', a.state],
    ['prepared', moment(a.preparedAt)],
    ['signs from', moment(a.activatesAt)],
    ['retired', moment(a.retiredAt)],
    ['tainted', moment(a.taintedAt)],
    ['expires', moment(a.expiresAt)],
  ]);

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
