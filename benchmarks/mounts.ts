import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Bit of CAP_SYS_ADMIN in the capabilities of a process. */
const ADMIN = 21n;

/** A process that was killed lets go of its files a little later. */
const UMOUNT_ATTEMPTS = 50;
const AGAIN_MS = 100;

/** Names what keeps this process from mounting file systems with these commands; null where nothing does. */
export function missingForMounts(commands: readonly string[]): string | null {
  if (process.platform !== 'linux') return 'Linux';
  if (process.getuid?.() !== 0) return 'the rights of root';
  if (!mayAdministrate()) return 'the capability CAP_SYS_ADMIN';
  const command = commands.find((one) => spawnSync(one, ['--version']).error !== undefined);
  return command === undefined ? null : `the command ${command}`;
}

export function unmount(folder: string): void {
  for (let attempt = 1; ; attempt += 1) {
    const { status, stderr } = spawnSync('umount', [folder], { encoding: 'utf8' });
    if (status === 0) return;
    if (attempt === UMOUNT_ATTEMPTS) throw new Error(stderr);
    // Nothing else is to run meanwhile: the process may be about to end.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, AGAIN_MS);
  }
}

/** What a shell does as `unmount`, for when this process is gone. */
export function unmountCommand(folder: string): string {
  const attempts = `for i in $(seq ${UMOUNT_ATTEMPTS})`;
  return `${attempts}; do umount '${folder}' && break; sleep ${AGAIN_MS / 1000}; done`;
}

/** Runs a command to its end; throws with what it said where it fails. */
export function run(command: string, ...args: readonly string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
}

function mayAdministrate(): boolean {
  const [, bits = '0'] = /^CapEff:\s*(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return ((BigInt(`0x${bits}`) >> ADMIN) & 1n) === 1n;
}
