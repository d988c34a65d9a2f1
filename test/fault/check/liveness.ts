/** What was promised of time and resources: I10 to I14. Time in which others had the processor is nobody's fault. */
import type { Capture } from '../captures.ts';
import { type Event, type Evidence, waitedIn } from './files.ts';
import type { Findings } from './report.ts';

const startMs = 3_000;
const streamMs = 2_000;
/** For what nobody counts: the disk, which is everybody's. */
const slackMs = 1_500;

/** I11: it starts at once, whatever was done to it; and what a fault took comes back. */
export function checkStarts({ history }: Evidence, findings: Findings): void {
  let before: Extract<Event, { t: 'resources' }> | undefined;
  for (const event of history) {
    if (event.t === 'ready') {
      const tookMs = event.tookMs - event.waitedMs;
      // With more than two for each processor, it has less than half of what it would have.
      const longest = (startMs + slackMs) * Math.max(1, event.load / 2);
      findings.must(tookMs <= longest, 'I11', () => `it took ${Math.round(tookMs)} ms until it served`);
      before = undefined;
    }
    if (event.t !== 'resources') continue;
    const { descriptors, threads, residentMib } = event;
    const more = descriptors - (before?.descriptors ?? descriptors);
    findings.must(more <= 12, 'I11', () => `it has ${more} descriptors more than before`);
    findings.must(threads <= 32, 'I11', () => `it has ${threads} threads`);
    findings.must(residentMib <= 400, 'I11', () => `it has ${residentMib} MiB of memory`);
    before ??= event;
  }
}

/** I14: whatever was done to it, it served again, and nobody put anything right by hand. */
export function checkRecovery({ history }: Evidence, findings: Findings): void {
  const served = history.findLastIndex(({ t }) => t === 'ready' || t === 'done' || t === 'state');
  for (const [at, event] of history.entries())
    if (event.t === 'fault') findings.must(at < served, 'I14', () => `after ${event.what} it never served again`);
}

/** I10: who had a stream has an SVID again within two seconds after it serves, where nothing else was done meanwhile. */
export function checkStreams({ history, captures }: Evidence, findings: Findings): void {
  const given = Map.groupBy(
    captures.filter(({ kind }) => kind === 'x509'),
    ({ uid }) => uid,
  );
  const disturbances = history.filter(({ t }) => ['fault', 'end', 'start', 'clock'].includes(t));
  const waited = waitedIn(history);
  for (const ready of history.filter(({ t }) => t === 'ready')) {
    const until = disturbances.find(({ at }) => at > ready.at)?.at ?? 0;
    for (const [uid, all] of given) {
      // Before it had anything it may not have been known.
      if ((all[0]?.at ?? Infinity) >= ready.at) continue;
      const again = all.find(({ at }) => at >= ready.at)?.at ?? Infinity;
      const end = Math.min(again, until);
      const tookMs = end - ready.at - waited(ready.at, end);
      if (again <= until) findings.worst('ms until a stream was served again, at worst', tookMs);
      const late = tookMs > streamMs + slackMs;
      findings.must(!late, 'I10', () => `uid ${uid} had no stream ${Math.round(tookMs)} ms after it served`);
    }
  }
}

/** I12: a workload hears that it is owed nothing, or that it should come again; never that mayfly does not know. */
export function checkAnswers({ captures }: { readonly captures: readonly Capture[] }, findings: Findings): void {
  for (const capture of captures) {
    if (capture.kind !== 'status') continue;
    const known = !['2', '13', '15'].includes(capture.code);
    findings.must(known, 'I12', () => `${capture.method} ended with status ${capture.code}`);
  }
}

/** I13: whoever watches was told in time, that something is wrong and that it is over. */
export function checkHealth({ history }: Evidence, findings: Findings): void {
  const waited = waitedIn(history);
  for (const event of history) {
    if (event.t !== 'health') continue;
    const { expected, ready, afterMs, withinMs, problems } = event;
    const said = `${ready ? 'ready' : 'not ready'}${problems.length === 0 ? '' : `: ${problems.join('; ')}`}`;
    const inTime = afterMs - waited(event.at - afterMs, event.at) <= withinMs + slackMs;
    findings.must(
      ready === expected && inTime,
      'I13',
      () => `${Math.round(afterMs)} ms after ${event.why} it says ${said}`,
    );
  }
}
