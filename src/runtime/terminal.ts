/**
 * Standard input, output and error, the arguments and the exit code of this process. The only place that touches
 * `process` for them, so that everything else can be read without thinking of broken pipes.
 */
export interface Terminal {
  readonly arguments: readonly string[];
  out(text: string): void;
  err(text: string): void;
  /** A line that replaces itself, for a person who waits; nothing where stderr is not a terminal. */
  progress(text: string): void;
  /** All of standard input, as text. */
  read(): Promise<string>;
  /** The code with which the process will end by itself. */
  exitCode(code: number): void;
}

const eraseLine = '\r\u001b[K';
/** What a shell shows for a program that SIGPIPE ended. */
const brokenPipe = 141;
let progressShown = false;

export const terminal: Terminal = {
  arguments: process.argv.slice(2),
  out: (text) => void process.stdout.write(text),
  err: (text) => {
    clearProgress();
    process.stderr.write(text);
  },
  progress: (text) => {
    if (!process.stderr.isTTY) return;
    process.stderr.write(`${eraseLine}${text}`);
    progressShown = text !== '';
  },
  read: async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString('utf8');
  },
  exitCode: (code) => {
    process.exitCode = code;
  },
};

/** A reader that has gone ends the program without a word; any other trouble with the output is told. */
export function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(brokenPipe);
    process.stderr.write(`mayfly: the answer could not be written: ${error.message}\n`);
    process.exit(1);
  });
  process.stderr.on('error', () => {});
}

/** What nobody caught is a defect: `report` tells it, and the process ends with 1. */
export function endWithDefects(report: (error: unknown) => void): void {
  process.on('uncaughtException', (error) => {
    report(error);
    process.exit(1);
  });
}

function clearProgress(): void {
  if (progressShown) process.stderr.write(eraseLine);
  progressShown = false;
}
