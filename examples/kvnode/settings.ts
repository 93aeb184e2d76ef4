import { type Limits, TIMING_PRESETS, type TimingOptions } from 'quorate';
import {
  clientEndpoint,
  type Endpoint,
  formatEndpoint,
  isSameEndpoint,
  type ListedMember,
  MAX_PORT,
  parseEndpoint,
  parseMemberList,
  parsePort,
} from '../cli/addresses.js';
import {
  type FlagTable,
  mergeSettings,
  parseCommandLine,
  type Setting,
  type Settings,
  settingsOfEnvironment,
  settingsOfObject,
} from '../cli/flags.js';
import { type EngineName, engineOf } from '../cli/storage.js';
import { UsageError } from '../cli/usage-error.js';
import { KVNODE_FLAGS } from './flags.js';

/** What a node is started with, checked as far as it can be without touching anything. */
export interface KVNodeSettings {
  readonly id: string;
  /** Port 0: the system picks one. */
  readonly bind: Endpoint;
  /** What peers are told; null: where it listens. */
  readonly advertise: Endpoint | null;
  /** What clients are told; null: the host of the peer address, and the client port. */
  readonly advertiseClient: Endpoint | null;
  /** 0: the system picks one; null: by convention above the peer port. */
  readonly clientPort: number | null;
  /** Members at the first start, this node among them; null: this node alone. */
  readonly cluster: readonly NamedMember[] | null;
  /** Peer addresses of a cluster that runs; null: none is joined. */
  readonly join: readonly Endpoint[] | null;
  /** Null: in memory. */
  readonly dataDir: string | null;
  /** Of a new directory; null: as the directory says, or the default. */
  readonly storage: EngineName | null;
  readonly timing: TimingOptions;
  /** Those that were given. */
  readonly limits: Partial<Limits>;
  readonly console: boolean;
  readonly verbose: boolean;
  /** Null: as fits where it goes. */
  readonly logFormat: 'json' | 'pretty' | null;
}

export interface NamedMember {
  readonly id: string;
  readonly peer: Endpoint;
}

export interface SettingsSources {
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Throws when there is no such file. */
  readonly readFile: (path: string) => string;
}

export type Wish = 'help' | 'version' | KVNodeSettings;

const ENVIRONMENT_PREFIX = 'QUORATE_NODE_';

/** Flags win over the environment, which wins over the file. Whatever is wrong is a UsageError. */
export function readSettings({ args, environment, readFile }: SettingsSources): Wish {
  const { settings: flags, words } = parseCommandLine(args, KVNODE_FLAGS);
  if (flags.has('help')) return 'help';
  if (flags.has('version')) return 'version';
  const [word] = words;
  if (word !== undefined) {
    throw new UsageError(`unexpected word ${JSON.stringify(word)}; everything is said by flags`);
  }
  const around = settingsOfEnvironment(environment, ENVIRONMENT_PREFIX, KVNODE_FLAGS);
  const outer = mergeSettings(flags, around);
  const file = outer.get('config')?.text;
  const filed = file === undefined ? new Map() : readConfig(file, readFile, KVNODE_FLAGS);
  const merged = mergeSettings(outer, filed);
  const dataDir = merged.get('data-dir')?.text;
  const isRestart = dataDir !== undefined && holdsData(dataDir, readFile);
  return interpret(merged, isRestart);
}

/** Whether a node has used the directory before: then what it holds decides who the members are. */
function holdsData(directory: string, readFile: (path: string) => string): boolean {
  try {
    return readFile(`${directory}/FORMAT`) !== '';
  } catch {
    // What else may be wrong with the directory is told when it is opened.
    return false;
  }
}

function readConfig(file: string, readFile: (path: string) => string, table: FlagTable): Settings {
  let fields: unknown;
  try {
    fields = JSON.parse(readFile(file));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(`--config ${file} must be a JSON file: ${reason.split('\n')[0]}`);
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw new UsageError(`--config ${file} must hold one object, for example { "id": "n1" }`);
  }
  return settingsOfObject({ ...fields }, file, table);
}

function interpret(settings: Settings, isRestart: boolean): KVNodeSettings {
  const { text: id } = required(settings, 'id', '--id n1');
  if (!/^[\w.-]{1,64}$/.test(id)) {
    throw new UsageError(`--id ${JSON.stringify(id)} must be 1 to 64 of A-Z a-z 0-9 _ . -`);
  }
  const bind = endpoint(required(settings, 'bind', '--bind 127.0.0.1:7001'));
  const advertise = optionalEndpoint(settings, 'advertise');
  const clientPort = optional(settings, 'client-port', ({ text, source }) =>
    parsePort(text, source),
  );
  const cluster = optional(settings, 'cluster', memberTable);
  onlyOne(settings, 'transport', 'tcp');
  const read: KVNodeSettings = {
    id,
    bind,
    advertise,
    advertiseClient: optionalEndpoint(settings, 'advertise-client'),
    clientPort,
    cluster,
    join: optional(settings, 'join', endpoints),
    dataDir: optional(settings, 'data-dir', notEmpty),
    storage: engineOf(settings),
    timing: timingOf(settings),
    limits: {
      ...limit(settings, 'snapshot-entries', 'snapshotEntries'),
      ...limit(settings, 'trailing-entries', 'trailingEntries'),
    },
    console: settings.get('console')?.text === 'true',
    verbose: settings.get('verbose')?.text === 'true',
    logFormat: oneOf(settings, 'log-format', ['json', 'pretty']),
  };
  if (read.join !== null && cluster !== null) {
    throw new UsageError(
      '--join and --cluster exclude each other; --join is for a cluster that runs',
    );
  }
  if (!isRestart) checkOwnEntry(read);
  checkPorts(read);
  return read;
}

function memberTable({ text, source }: Setting): readonly NamedMember[] {
  const members = parseMemberList(text, source).map(named);
  for (const [i, { id, peer }] of members.entries()) {
    const before = members.slice(0, i);
    if (before.some((other) => other.id === id)) {
      throw new UsageError(`${source} lists ${id} twice; give each member a name of its own`);
    }
    const twin = before.find((other) => isSameEndpoint(other.peer, peer));
    if (twin === undefined) continue;
    const where = formatEndpoint(peer);
    throw new UsageError(`${source} lists ${twin.id} and ${id} at ${where}; each has its own`);
  }
  return members;
}

function named({ id, peer }: ListedMember, place: number): NamedMember {
  return { id: id ?? String(place + 1), peer };
}

/** Others dial what `--cluster` says: it must be where this node is. */
function checkOwnEntry({ id, bind, advertise, cluster }: KVNodeSettings): void {
  if (cluster === null) return;
  const own = cluster.find((member) => member.id === id);
  if (own === undefined) {
    const ids = cluster.map((member) => member.id).join(', ');
    throw new UsageError(`--id ${id} is not in --cluster, which lists ${ids}`);
  }
  const told = advertise ?? bind;
  if (isSameEndpoint(own.peer, told)) return;
  const listed = formatEndpoint(own.peer);
  const flag = advertise === null ? '--bind' : '--advertise';
  throw new UsageError(
    `--cluster says that ${id} is at ${listed}, but ${flag} says ${formatEndpoint(told)}; ` +
      `make them equal, or add --advertise ${listed}`,
  );
}

/** The conventions for ports, as far as they can be broken on paper. */
function checkPorts(settings: KVNodeSettings): void {
  const { bind, clientPort, cluster, id } = settings;
  if (bind.port !== 0 && clientPort === bind.port) {
    throw new UsageError(
      `--client-port ${clientPort} is the port of --bind; peers and clients need ports of their own`,
    );
  }
  if (bind.port === 0) return;
  const own = clientPort ?? clientEndpoint(bind, '--bind').port;
  const host = (settings.advertise ?? bind).host;
  for (const other of cluster ?? []) {
    if (other.id === id) continue;
    const taken = isSameEndpoint(other.peer, { host, port: own });
    if (taken) {
      throw new UsageError(
        `client port ${own} of ${id} (peer port ${bind.port}) is the peer port of ${other.id}; ` +
          'choose peer ports that are not 1000 apart, or say --client-port',
      );
    }
    const theirs = other.peer.port + 1000;
    if (theirs <= MAX_PORT && isSameEndpoint({ ...other.peer, port: theirs }, { ...bind, host })) {
      throw new UsageError(
        `peer port ${bind.port} of ${id} is the client port of ${other.id} (${other.peer.port} + ` +
          '1000); choose peer ports that are not 1000 apart',
      );
    }
  }
}

function timingOf(settings: Settings): TimingOptions {
  const preset = oneOf(settings, 'timing', ['fast', 'debug', 'demo']) ?? 'fast';
  const heartbeatMs = milliseconds(settings, 'heartbeat-interval');
  const electionTimeoutMinMs = milliseconds(settings, 'election-timeout-min');
  const electionTimeoutMaxMs = milliseconds(settings, 'election-timeout-max');
  const networkDelayMs = milliseconds(settings, 'network-delay');
  const base = TIMING_PRESETS[preset];
  const isKept = [heartbeatMs, electionTimeoutMinMs, electionTimeoutMaxMs].every(
    (ms) => ms === null,
  );
  return {
    // The preset's ticks divide the preset's own times; others find theirs.
    tickMs: isKept ? base.tickMs : undefined,
    heartbeatMs: heartbeatMs ?? base.heartbeatMs,
    electionTimeoutMinMs: electionTimeoutMinMs ?? base.electionTimeoutMinMs,
    electionTimeoutMaxMs: electionTimeoutMaxMs ?? base.electionTimeoutMaxMs,
    networkDelayMs: networkDelayMs ?? base.networkDelayMs,
  };
}

function limit(settings: Settings, name: string, key: keyof Limits): Partial<Limits> {
  const count = optional(settings, name, ({ text, source }) => {
    if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
    throw new UsageError(`${source} must be a whole number from 1 on, not ${JSON.stringify(text)}`);
  });
  return count === null ? {} : { [key]: count };
}

function milliseconds(settings: Settings, name: string): number | null {
  return optional(settings, name, ({ text, source }) => {
    if (/^\d{1,9}$/.test(text)) return Number(text);
    throw new UsageError(`${source} must be whole milliseconds, not ${JSON.stringify(text)}`);
  });
}

function required(settings: Settings, name: string, example: string): Setting {
  const setting = settings.get(name);
  if (setting !== undefined && setting.text !== '') return setting;
  throw new UsageError(`--${name} is missing; for example ${example}`);
}

function optional<T>(settings: Settings, name: string, read: (setting: Setting) => T): T | null {
  const setting = settings.get(name);
  return setting === undefined ? null : read(setting);
}

function notEmpty({ text, source }: Setting): string {
  if (text !== '') return text;
  throw new UsageError(`${source} must name a directory`);
}

function endpoint({ text, source }: Setting): Endpoint {
  return parseEndpoint(text, source);
}

function endpoints({ text, source }: Setting): readonly Endpoint[] {
  return text.split(',').map((part) => parseEndpoint(part.trim(), source));
}

/** An address that others dial: its port is named. */
function optionalEndpoint(settings: Settings, name: string): Endpoint | null {
  return optional(settings, name, (setting) => {
    const told = endpoint(setting);
    if (told.port !== 0) return told;
    throw new UsageError(`${setting.source} must name a port that others can dial, not 0`);
  });
}

function oneOf<T extends string>(
  settings: Settings,
  name: string,
  choices: readonly T[],
): T | null {
  return optional(settings, name, ({ text, source }) => {
    const choice = choices.find((one) => one === text);
    if (choice !== undefined) return choice;
    throw new UsageError(`${source} must be ${choices.join(' or ')}, not ${JSON.stringify(text)}`);
  });
}

/** A choice that has one answer until a later version brings another. */
function onlyOne(settings: Settings, name: string, choice: string): void {
  const setting = settings.get(name);
  if (setting === undefined || setting.text === choice) return;
  const { text, source } = setting;
  throw new UsageError(`${source} ${text} is not in this version; there is ${choice}`);
}
