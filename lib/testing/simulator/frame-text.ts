import { decodeUtf8, type Entry, type NodeId, QuorateError } from '../../base/index.js';
import type { Message } from '../../raft/index.js';
import { decodeRaftMessage, unpackLinkFrame } from '../../wire/index.js';

/** A frame for somebody who reads a trace. */
export function frameText(frame: Uint8Array): string {
  try {
    const { channel, kind, payload, correlation } = unpackLinkFrame(frame);
    if (channel !== 'raft') return `${channel} ${kind} #${correlation} ${payload.length} B`;
    return messageText(decodeRaftMessage(payload));
  } catch (error) {
    if (QuorateError.is(error)) return error.message;
    throw error;
  }
}

/** Its fields, entries by what they are. */
function messageText(message: Message): string {
  return JSON.stringify(message, (name, value: unknown) => {
    if (name === 'group' || name === 'from' || name === 'to') return undefined;
    if (name !== 'entries' || !Array.isArray(value)) return value;
    return value.map(({ index, term, kind }) => `${index}/${term} ${kind}`);
  });
}

/** What a node stores. A configuration is JSON. */
export function entriesText(id: NodeId, entries: readonly Entry[]): string {
  const texts = entries.map(({ index, term, kind, payload }) => {
    const content = kind === 'configuration' ? ` ${decodeUtf8(payload)}` : '';
    return `${index}/${term} ${kind}${content}`;
  });
  return `${id} stores ${texts.join(', ')}`;
}
