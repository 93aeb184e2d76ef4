import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LoadResult } from './load.js';
import { printRow } from './report.js';

interface LoadAnswer {
  readonly result: LoadResult;
  readonly counts: readonly (readonly [string, number])[];
}

/** Three processes on TCP with level, the load inside the leader's. */
export async function threeProcesses(seconds: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-bench-'));
  const ports = await freePorts(3);
  const members = Object.fromEntries(ports.map((port, i) => [`n${i + 1}`, `127.0.0.1:${port}`]));
  const program = fileURLToPath(new URL('member.js', import.meta.url));
  const children = Object.keys(members).map((id) =>
    fork(program, [id, JSON.stringify(members), join(folder, id)]),
  );
  try {
    const roles = await Promise.all(
      children.map((child) => ask<{ role: string }>(child, { kind: 'ready' })),
    );
    const leader = children[roles.findIndex(({ role }) => role === 'leader')];
    if (leader === undefined) throw new Error('no leader');
    for (const inFlight of [1, 64, 256, 1024]) {
      const answer = await ask<LoadAnswer>(leader, { kind: 'load', inFlight, seconds });
      const counts = new Map(answer.counts);
      const entries = counts.get('quorate_log_entries_written_total') ?? 0;
      const writes = counts.get('quorate_log_writes_total') ?? 1;
      const extra = `${(entries / writes).toFixed(1)} entries/fsync`;
      printRow('three processes, TCP, level', inFlight, answer.result, extra);
    }
  } finally {
    await Promise.all(children.map(close));
    await rm(folder, { recursive: true, force: true });
  }
}

async function ask<T>(child: ChildProcess, order: object): Promise<T> {
  const answer = once(child, 'message');
  child.send(order);
  const [message] = await answer;
  return message;
}

async function close(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  if (child.connected) child.send({ kind: 'close' });
  await gone;
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
