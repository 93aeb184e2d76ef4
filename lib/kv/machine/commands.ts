import { ByteReader, ByteWriter, QuorateError } from '../../base/index.js';
import type { Condition, KVCommand } from './types.js';

/** What an entry's `commandVersion` says of commands in this layout. */
export const COMMAND_VERSION = 1;

/** The layout's own limits, the same in every cluster: whatever was applied fits a snapshot. */
export const MAX_KEY_BYTES = 8192;
export const MAX_VALUE_BYTES: number = 16 * 1024 * 1024;

/*
 * Command, version 1, integers little-endian:
 *
 *   0 u8 kind (1 put, 2 delete) · 1 u8 has a condition (0, 1) · 2 u16 key length ·
 *   4 u64 modRevision, only with a condition · key · value (put only, to the end)
 */
const KIND_NUMBERS: Readonly<Record<KVCommand['kind'], number>> = { put: 1, delete: 2 };
const HEADER_BYTES = 4;
const CONDITION_BYTES = 8;

/** The packed command. A key or value beyond the layout's limits is ERR_TOO_LARGE. */
export function encodeCommand(command: KVCommand): Uint8Array {
  const { kind, key, condition } = command;
  const value = command.kind === 'put' ? command.value : null;
  checkSizes(key.length, value?.length ?? 0);
  const conditionBytes = condition === null ? 0 : CONDITION_BYTES;
  const writer = new ByteWriter(HEADER_BYTES + conditionBytes + key.length + (value?.length ?? 0));
  writer
    .u8(KIND_NUMBERS[kind])
    .u8(condition === null ? 0 : 1)
    .u16(key.length);
  if (condition !== null) writer.u64(condition.modRevision);
  writer.bytes(key);
  if (value !== null) writer.bytes(value);
  return writer.finish();
}

/** The command in `packed`, as views into it. Anything else is ERR_PROTOCOL or ERR_TOO_LARGE. */
export function decodeCommand(packed: Uint8Array): KVCommand {
  const reader = new ByteReader(packed);
  const kind = reader.u8();
  const hasCondition = reader.u8();
  if (hasCondition > 1) throw malformed('a flag is neither 0 nor 1');
  const keyLength = reader.u16();
  const condition: Condition | null = hasCondition === 1 ? { modRevision: reader.u64() } : null;
  const key = reader.bytes(keyLength);
  checkSizes(keyLength, reader.remaining);
  switch (kind) {
    case KIND_NUMBERS.put:
      return { kind: 'put', key, value: reader.bytes(reader.remaining), condition };
    case KIND_NUMBERS.delete:
      reader.end();
      return { kind: 'delete', key, condition };
    default:
      throw malformed(`kind ${kind} is not known`);
  }
}

function checkSizes(keyBytes: number, valueBytes: number): void {
  if (keyBytes < 1) throw malformed('a key has at least one byte');
  if (keyBytes > MAX_KEY_BYTES) {
    throw new QuorateError('ERR_TOO_LARGE', { message: `the key is above ${MAX_KEY_BYTES} bytes` });
  }
  if (valueBytes > MAX_VALUE_BYTES) {
    throw new QuorateError('ERR_TOO_LARGE', {
      message: `the value is above ${MAX_VALUE_BYTES} bytes`,
    });
  }
}

function malformed(message: string): QuorateError {
  return new QuorateError('ERR_PROTOCOL', { message: `malformed command: ${message}` });
}
