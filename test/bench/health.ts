/** What a running issuer holds: memory and descriptors by the kernel's word, timers and handles by its own metrics. */
import { readdirSync } from 'node:fs';
import http from 'node:http';
import { residentKiB } from './process-stat.ts';

export interface Health {
  readonly residentMiB: number;
  readonly heapMiB: number;
  readonly descriptors: number;
  readonly threads: number;
  /** What keeps Node's event loop busy, by type: `Timeout`, `PipeWrap`, … */
  readonly resources: Readonly<Record<string, number>>;
}

export async function healthOf(pid: number, port: number): Promise<Health> {
  // Before it is asked anything: the connection of the question would be counted or not, as it happens to be closed.
  const descriptors = readdirSync(`/proc/${pid}/fd`).length;
  const metrics = await text(`http://127.0.0.1:${port}/metrics`);
  const resources = [...metrics.matchAll(/^nodejs_active_resources\{type="(\w+)"\} (\d+)$/gm)];
  return {
    residentMiB: residentKiB(pid) / 1024,
    heapMiB: Number(/^nodejs_heap_size_used_bytes (\d+)/m.exec(metrics)?.[1]) / 2 ** 20,
    descriptors,
    threads: readdirSync(`/proc/${pid}/task`).length,
    resources: Object.fromEntries(resources.map(([, type, count]) => [type, Number(count)])),
  };
}

/** On a connection of its own each time: one that is kept would be a descriptor of ours over there. */
function text(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent: false }, (answer) => {
      let body = '';
      answer.on('data', (piece) => (body += piece)).on('end', () => resolve(body));
    });
    request.on('error', reject);
  });
}
