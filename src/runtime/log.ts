/** A structured log, one JSON object a line. Types that hold secrets are never passed to it; known names are cut anyway. */
import pino, { type DestinationStream, type Logger } from 'pino';
import { IdentityError } from '../errors.ts';
import { LineWriter } from './line-writer.ts';
import { printableJson } from './printable.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';
export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;
/** Whose level may change while it is used. */
export type AdjustableLog = Log & { level: string };

/** Should one of these ever be logged by mistake, its value does not appear (R-AUD-1). */
const secrets = ['privateKey', 'key', 'token', 'svid', 'x509SvidKey', 'password'];

/** Standard error, so that standard output stays for answers. */
const standardError = new LineWriter(2, {
  lost: (lines) =>
    `${JSON.stringify({ level: 'warn', time: new Date(), lines, msg: 'so many lines of this log were lost: whoever reads it is slow, or its disk is full' })}\n`,
});
process.once('exit', () => standardError.flush());

/** Lines that nobody will read. */
export const linesLost = (): number => standardError.lost;

export const createLog = (level: LogLevel, to: DestinationStream = standardError): AdjustableLog =>
  pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: toldOf },
      redact: { paths: secrets.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
    },
    // A caller chooses the path it asks for, and a terminal obeys more characters than JSON escapes.
    { write: (line) => to.write(printableJson(line)) },
  );

/**
 * What went wrong, and nothing of what hangs on an error besides: a library puts its request there, and that its token.
 * Where it went wrong is told of defects only: a refusal is no defect, and whoever is refused can cause many.
 */
function toldOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error === undefined ? undefined : { type: typeof error };
  const { type, message, stack } = pino.stdSerializers.err(error);
  const { code, reason } = error as Error & { readonly code?: unknown; readonly reason?: unknown };
  const words = Object.entries({ code, reason }).filter(([, value]) => typeof value === 'string');
  const told = { type, message, ...Object.fromEntries(words) };
  return error instanceof IdentityError ? told : { ...told, stack };
}
