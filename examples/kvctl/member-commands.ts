import type { MemberUpdateOptions } from 'quorate/interfaces';
import { formatEndpoint, parseEndpoint } from '../cli/addresses.js';
import type { Flag, Setting } from '../cli/flags.js';
import { UsageError } from '../cli/usage-error.js';
import { describeMembers, describeVersion } from '../console/descriptions.js';
import { statusWithMembers } from './cluster-commands.js';
import { type Command, DONE, type Given, type OnlineCommand, type Session } from './command.js';

const MAX_PRIORITY = 100;

/** So that two administrators cannot cross. */
export const EXPECT: Flag = {
  name: 'expect',
  value: 'VERSION',
  help: 'only if member list still shows this version',
};

/** Commands about who takes part. */
export const MEMBER_COMMANDS: readonly Command[] = [
  {
    names: ['member list'],
    usage: '',
    help: 'who takes part, and where',
    words: [0, 0],
    flags: [],
    prepare: () => async (session) => {
      const status = await statusWithMembers(session);
      const { members, membershipVersion } = status;
      for (const member of members) {
        if (session.out.isJson) session.out.line('', { ...member, membershipVersion });
      }
      if (session.out.isJson) return DONE;
      session.out.line(describeMembers(status), {});
      if (members.length > 0) session.out.line(describeVersion(status), {});
      return DONE;
    },
  },
  change({
    name: 'member add',
    usage: 'ID [HOST:PORT]',
    help: 'adds a running node as a learner',
    words: [1, 2],
    go: ({ membership }, [id = '', peerAddress], options) =>
      membership.add(id, { peerAddress, ...options }),
  }),
  change({
    name: 'member promote',
    usage: 'ID',
    help: 'makes a learner a voter once it has caught up',
    words: [1, 1],
    go: ({ membership }, [id = ''], options) => membership.promote(id, options),
  }),
  change({
    name: 'member remove',
    usage: 'ID',
    help: 'removes a member',
    words: [1, 1],
    go: ({ membership }, [id = ''], options) => membership.remove(id, options),
  }),
  change({
    name: 'member replace',
    usage: 'ID BY [HOST:PORT]',
    help: 'puts a running node in the place of a member',
    words: [2, 3],
    go: ({ membership }, [id = '', by = '', peerAddress], options) =>
      membership.replace(id, by, { peerAddress, ...options }),
  }),
  change({
    name: 'member update',
    usage: 'ID',
    help: 'tells everybody another address of a member, or another priority',
    words: [1, 1],
    flags: [
      { name: 'peer-address', value: 'HOST:PORT', help: 'where peers reach it' },
      { name: 'client-address', value: 'HOST:PORT', help: 'where clients reach it' },
      {
        name: 'priority',
        value: 'N',
        help: 'voters of a higher one are to lead; 0 to 100, at first 1',
      },
    ],
    check: ({ settings }) => {
      if (['peer-address', 'client-address', 'priority'].some((name) => settings.has(name))) return;
      throw new UsageError('member update takes --peer-address, --client-address or --priority');
    },
    go: ({ membership }, [id = ''], options) => membership.update(id, options),
  }),
];

interface ChangeCommand {
  readonly name: string;
  readonly usage: string;
  readonly help: string;
  readonly words: readonly [number, number];
  readonly flags?: readonly Flag[];
  /** What of the flags is wrong together is a UsageError. */
  readonly check?: (given: Given) => void;
  readonly go: (
    kv: Session['kv'],
    words: readonly string[],
    options: MemberUpdateOptions,
  ) => Promise<void>;
}

function change({ name, usage, help, words, flags = [], check, go }: ChangeCommand): Command {
  const prepare: OnlineCommand['prepare'] = (given) => {
    check?.(given);
    const told = toldIn(given);
    return async (session) => {
      await go(session.kv, given.words, { ...told, ...session.remaining() });
      session.out.line('OK', { changed: true });
      return DONE;
    };
  };
  return { names: [name], usage, help, words, flags: [...flags, EXPECT], prepare };
}

/** Absent where nothing was said: an address that is given as undefined would hide one in the words. */
function toldIn({ settings }: Given): MemberUpdateOptions {
  const expect = settings.get('expect');
  const peerAddress = addressIn(settings.get('peer-address'));
  const clientAddress = addressIn(settings.get('client-address'));
  const priority = settings.get('priority');
  return {
    ...(expect === undefined ? {} : { expect: versionIn(expect) }),
    ...(peerAddress === undefined ? {} : { peerAddress }),
    ...(clientAddress === undefined ? {} : { clientAddress }),
    ...(priority === undefined ? {} : { priority: priorityIn(priority) }),
  };
}

function priorityIn({ text, source }: Setting): number {
  const priority = Number(text);
  if (/^\d+$/.test(text) && priority <= MAX_PRIORITY) return priority;
  throw new UsageError(`${source} must be a whole number from 0 to ${MAX_PRIORITY}, not ${text}`);
}

/** What `--expect` names. */
export function versionIn({ text, source }: Setting): string {
  if (/^[0-9a-f]{16}$/.test(text)) return text;
  throw new UsageError(`${source} must be a version as member list shows it, not ${text}`);
}

function addressIn(setting: Setting | undefined): string | undefined {
  if (setting === undefined) return undefined;
  const endpoint = parseEndpoint(setting.text, setting.source);
  if (endpoint.port !== 0) return formatEndpoint(endpoint);
  throw new UsageError(`${setting.source} must name a port that others can dial, not 0`);
}
