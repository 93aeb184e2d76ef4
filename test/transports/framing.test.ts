import fc from 'fast-check';
import { test } from 'tap';
import {
  type FrameFault,
  type FrameKind,
  FrameParser,
  gatherFrames,
  guessOpening,
  OPENINGS,
  type QueuedFrame,
} from '../../transports/tcp/framing.js';

const LIMIT = 64 * 1024;

test('a stream cut at every byte gives the same frames (fault D17)', async (t) => {
  const frames = [data(0), data(1), ping(), goodbye(), data(300), data(2)];
  const stream = bytesOf(frames);
  for (let cut = 0; cut <= stream.length; cut += 1) {
    const { seen, fault } = parse([stream.subarray(0, cut), stream.subarray(cut)]);
    if (fault !== null || !same(seen, frames)) t.fail(`cut at ${cut}`);
  }
  const single = parse([...stream].map((byte) => Uint8Array.of(byte)));
  t.equal(single.fault, null);
  t.ok(same(single.seen, frames), 'one byte at a time');
});

test('any frames in any chunks arrive whole and in order, large ones included', async () => {
  const kind = fc.constantFrom<FrameKind>('data', 'greeting', 'ping', 'goodbye');
  const frame = fc.record({ kind, payload: fc.integer({ min: 0, max: LIMIT }).map(pattern) });
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 30 }),
      (frames, sizes) => {
        const { seen, fault } = parse(chunks(bytesOf(frames), sizes));
        return fault === null && same(seen, frames);
      },
    ),
    { numRuns: 150 },
  );
});

test('random bytes end in a fault or wait for more, and never throw (fault E1)', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (noise, opened) => {
      const { seen } = parse(opened ? [OPENINGS.peer, noise] : [noise]);
      return seen.length === 0;
    }),
    { numRuns: 3000 },
  );
});

test('a flipped bit is never delivered: what arrives is a prefix of what was sent (fault E1)', async (t) => {
  const frames = [data(3), ping(), data(40), data(5)];
  const stream = bytesOf(frames);
  for (let bit = 0; bit < stream.length * 8; bit += 1) {
    const damaged = Uint8Array.from(stream);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    const { seen, fault } = parse([damaged]);
    if (!same(seen, frames.slice(0, seen.length))) t.fail(`bit ${bit} was delivered`);
    if (seen.length === frames.length) t.fail(`bit ${bit} was not noticed`);
    if (fault === null && seen.length > 3) t.fail(`bit ${bit} neither failed nor waits`);
  }
});

test('each malformed frame is refused with its reason, before anything is allocated', async (t) => {
  const cases: [string, Uint8Array, string][] = [
    ['zero', header(0), 'a frame of length zero'],
    ['one above the limit', header(LIMIT + 2), 'a frame above the limit'],
    ['2^31', header(2 ** 31), 'a frame above the limit'],
    ['2^32 - 1', header(2 ** 32 - 1), 'a frame above the limit'],
    ['kind 0', Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 0, 0), 'a frame of unknown kind'],
    ['kind 9', Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 0, 9), 'a frame of unknown kind'],
    ['checksum', Uint8Array.of(0, 0, 0, 1, 1, 2, 3, 4, 2), 'a frame with a wrong checksum'],
  ];
  for (const [name, bytes, reason] of cases) {
    t.equal(parse([OPENINGS.peer, bytes]).fault?.reason, reason, name);
  }
  // The four bytes of the length are enough.
  t.equal(parse([OPENINGS.peer, header(2 ** 32 - 1).subarray(0, 4)]).fault?.reason, cases[3]![2]);
  t.equal(
    parse([OPENINGS.peer, header(LIMIT + 1)]).fault,
    null,
    'exactly the limit waits for more',
  );
});

test('nothing is parsed after a fault, or after the receiver stopped', async (t) => {
  const stream = [OPENINGS.peer, header(0), ...gatherFrames([data(5)])];
  const { seen, fault } = parse(stream);
  t.equal(fault?.reason, 'a frame of length zero');
  t.equal(seen.length, 0);

  let count = 0;
  const parser: FrameParser = new FrameParser({
    expect: 'peer',
    maxPayloadBytes: LIMIT,
    onFrame: () => {
      count += 1;
      parser.stop();
    },
  });
  t.equal(parser.push(bytesOf([data(1), data(2)])), null);
  parser.push(bytesOf([data(1)]));
  t.equal(count, 1);
});

test('a frame owns its memory: the chunk it came in may be reused', async (t) => {
  const stream = bytesOf([data(50), data(60)]);
  const { seen } = parse([stream]);
  stream.fill(0xff);
  t.ok(same(seen, [data(50), data(60)]));
  t.not(seen[0]!.payload.buffer, seen[1]!.payload.buffer);
  t.equal(seen[0]!.payload.buffer.byteLength, 50, 'and holds on to no more than itself');
});

test('a header that promises much allocates no more than what has arrived', async (t) => {
  const before = process.memoryUsage().arrayBuffers;
  const parsers = Array.from({ length: 1000 }, () => {
    const parser = new FrameParser({ expect: 'peer', maxPayloadBytes: 2 ** 30, onFrame: () => {} });
    parser.push(OPENINGS.peer);
    parser.push(header(2 ** 30));
    return parser;
  });
  const allocated = process.memoryUsage().arrayBuffers - before;
  t.ok(allocated < 40e6, `${allocated} bytes for ${parsers.length} promises of a gigabyte`);
});

test('the first bytes tell who speaks', async (t) => {
  const guess = (text: string): string => guessOpening(Buffer.from(text, 'latin1'));
  t.same(
    [
      'QRP1',
      'QRC1 more',
      'Q',
      'QR',
      'QRP',
      'QRP2',
      'QRC9',
      'GET ',
      'QUERY',
      'QU',
      'P',
      'PUT /',
    ].map(guess),
    [
      ...['peer', 'client', 'undecided', 'undecided', 'undecided', 'otherVersion', 'otherVersion'],
      ...['http', 'http', 'http', 'http', 'http'],
    ],
  );
  t.same(['\x16\x03\x01', '\x00', '\xff\xff', 'get '].map(guess), [
    'tls',
    ...Array(3).fill('unknown'),
  ]);
  t.equal(parse([Buffer.from('GET / HTTP/1.1\r\n')]).fault?.reason, 'HTTP on a port for peers');
  t.equal(parse([OPENINGS.client]).fault?.reason, 'a client connection on the peer port');
});

interface Parsed {
  readonly seen: readonly QueuedFrame[];
  readonly fault: FrameFault | null;
}

function parse(input: readonly Uint8Array[]): Parsed {
  const seen: QueuedFrame[] = [];
  const parser = new FrameParser({
    expect: 'peer',
    maxPayloadBytes: LIMIT,
    onFrame: (kind, payload) => seen.push({ kind, payload }),
  });
  let fault: FrameFault | null = null;
  for (const chunk of input) fault = parser.push(chunk);
  return { seen, fault };
}

function bytesOf(frames: readonly QueuedFrame[]): Uint8Array {
  return Uint8Array.from(Buffer.concat([OPENINGS.peer, ...gatherFrames(frames)]));
}

function chunks(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let start = 0, i = 0; start < bytes.length; i += 1) {
    const end = start + sizes[i % sizes.length]!;
    pieces.push(bytes.subarray(start, end));
    start = end;
  }
  return pieces;
}

function same(seen: readonly QueuedFrame[], expected: readonly QueuedFrame[]): boolean {
  if (seen.length !== expected.length) return false;
  return seen.every(
    ({ kind, payload }, i) =>
      kind === expected[i]!.kind && Buffer.from(payload).equals(expected[i]!.payload),
  );
}

function data(length: number): QueuedFrame {
  return { kind: 'data', payload: pattern(length) };
}

function ping(): QueuedFrame {
  return { kind: 'ping', payload: new Uint8Array(0) };
}

/** Its payload is an empty Buffer, which has no address for zlib. */
function goodbye(): QueuedFrame {
  return { kind: 'goodbye', payload: Buffer.from('') };
}

/** Length, then a checksum and a kind that are never reached. */
function header(length: number): Uint8Array {
  const bytes = new Uint8Array(9);
  new DataView(bytes.buffer).setUint32(0, length);
  return bytes;
}

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 0xff);
}
