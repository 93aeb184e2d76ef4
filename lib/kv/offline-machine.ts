import { QuorateError } from '../base/index.js';
import type { CommittedCommand } from '../interfaces/index.js';
import { KVStateMachine } from './kv-state-machine.js';
import { COMMAND_VERSION, decodeCommand } from './machine/index.js';

/**
 * The machine for a log of which nobody says what it is of. A node answers a command that is none with a
 * failure; here it is a sign that the log is of another machine, and is thrown.
 */
export class OfflineKVStateMachine extends KVStateMachine {
  override apply(commands: readonly CommittedCommand[]): readonly Uint8Array[] {
    for (const one of commands) checkCommand(one);
    return super.apply(commands);
  }
}

function checkCommand({ index, command, commandVersion }: CommittedCommand): void {
  try {
    if (commandVersion === COMMAND_VERSION) decodeCommand(command);
  } catch (cause) {
    if (!QuorateError.is(cause)) throw cause;
    const message = `entry ${index} is no command of a KVStore`;
    throw new QuorateError('ERR_CONFIG', { message, cause });
  }
}
