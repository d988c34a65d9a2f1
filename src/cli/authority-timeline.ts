/** The lives of authorities as a picture made of text. */
import type { TimelineDocument } from './documents.ts';
import { moment } from './text.ts';

type Span = TimelineDocument['spans'][number];

const columns = 60;
const legend = '░ published, not yet signing   █ signs   ▒ signs no more, still believed   ╳ tainted\n';

export function drawTimeline({ now, until, spans }: TimelineDocument): string {
  const start = Math.min(Date.parse(now), ...spans.map(({ publishedAt }) => Date.parse(publishedAt)));
  const end = Math.max(Date.parse(until), start + columns);
  const at = (column: number): number => start + ((end - start) * (column + 0.5)) / columns;
  const nowColumn = Math.floor(((Date.parse(now) - start) / (end - start)) * columns);
  const axis = `${' '.repeat(14)}${' '.repeat(nowColumn)}▼ now ${moment(now)}\n`;
  const rows = spans.map((span) => {
    const bar = Array.from({ length: columns }, (_, column) => mark(span, at(column))).join('');
    return `${span.kind.padEnd(4)} ${(span.id?.slice(0, 8) ?? 'to come').padEnd(8)} ${bar.trimEnd()}\n`;
  });
  const ends = `${' '.repeat(14)}${moment(new Date(start).toISOString())}${moment(new Date(end).toISOString()).padStart(columns - 20)}\n`;
  return `${axis}${rows.join('')}${ends}${legend}`;
}

function mark(span: Span, at: number): string {
  const since = (moment: string | null): boolean => moment !== null && at >= Date.parse(moment);
  if (!since(span.publishedAt) || since(span.removedAt)) return ' ';
  if (since(span.taintedAt)) return '╳';
  if (since(span.retiresAt) || since(span.expiresAt)) return '▒';
  return since(span.activatesAt) ? '█' : '░';
}
