import { assert, type Incarnation, isIncarnation, isName, type NodeId } from '../base/index.js';
import type { Lane } from '../interfaces/index.js';
import { decodeWith, digitsIn, digitsOrNullIn, encodeWith, malformed, nameIn } from './boundary.js';
import { quorate } from './generated/quorate.js';
import { isClusterId } from './link-frame.js';

/** What the first frame of a connection between peers says. */
export interface Greeting {
  readonly protocolVersion: number;
  /** Null until the node belongs to a cluster. */
  readonly clusterId: string | null;
  readonly nodeId: NodeId;
  readonly incarnation: Incarnation;
  /** One start of a process: 16 hexadecimal digits. */
  readonly instance: string;
  readonly lane: Lane;
}

const LANES = ['control', 'bulk'] as const satisfies readonly Lane[];

export function encodeGreeting(greeting: Greeting): Uint8Array {
  const { protocolVersion, clusterId, nodeId, incarnation, instance } = greeting;
  assert(isName(nodeId), 'a node id is a valid name');
  assert(isIncarnation(incarnation), 'an incarnation is 16 hexadecimal digits');
  assert(isIncarnation(instance), 'an instance is 16 hexadecimal digits');
  assert(clusterId === null || isClusterId(clusterId), 'a cluster id is 16 digits, not all zero');
  return encodeWith(quorate.v1.Greeting, {
    protocolVersion,
    clusterId,
    nodeId,
    incarnation,
    instance,
    lane: LANES.indexOf(greeting.lane) + 1,
  });
}

/** Malformed bytes are ERR_PROTOCOL. A version that is not ours is given as it is, to be told why. */
export function decodeGreeting(bytes: Uint8Array): Greeting {
  return decodeWith(quorate.v1.Greeting, bytes, (wire) => {
    const lane = LANES[wire.lane - 1];
    if (lane === undefined) throw malformed('its lane is not known to this version');
    const clusterId = digitsOrNullIn(wire.clusterId, 'a cluster id');
    if (clusterId !== null && !isClusterId(clusterId)) throw malformed('a cluster id is all zero');
    return {
      protocolVersion: wire.protocolVersion,
      clusterId,
      nodeId: nameIn(wire.nodeId, 'a node id'),
      incarnation: digitsIn(wire.incarnation, 'an incarnation'),
      instance: digitsIn(wire.instance, 'an instance'),
      lane,
    };
  });
}
