import type { LeadershipChange, NodeStatus } from 'quorate/interfaces';
import { parseDuration } from '../cli/durations.js';
import type { Setting } from '../cli/flags.js';
import { UsageError } from '../cli/usage-error.js';
import { describeVersion } from '../console/descriptions.js';
import { statusWithMembers } from './cluster-commands.js';
import { type Command, DONE } from './command.js';
import { EXPECT, versionIn } from './member-commands.js';

/** How the cluster keeps its leader: shown without flags, changed by them. */
export const LEADERSHIP_COMMANDS: readonly Command[] = [
  {
    names: ['leadership'],
    usage: '',
    help: 'how the cluster keeps its leader; with flags, changes that',
    words: [0, 0],
    flags: [
      {
        name: 'lease',
        value: 'TIME|off',
        help: 'reads with leader-lease ask nobody for so long: 100ms; docs/timing.md has the bound',
      },
      {
        name: 'close-hint',
        value: 'on|off',
        help: 'who sees the leader’s connections break stands soon; never while leases are on',
      },
      EXPECT,
    ],
    prepare: ({ settings }) => {
      const lease = settings.get('lease');
      const hint = settings.get('close-hint');
      const expect = settings.get('expect');
      const change: LeadershipChange = {
        ...(lease === undefined ? {} : { leaderLeaseMs: leaseIn(lease) }),
        ...(hint === undefined ? {} : { closeHint: isOnIn(hint) }),
      };
      const expected = expect === undefined ? {} : { expect: versionIn(expect) };
      const isChange = lease !== undefined || hint !== undefined;
      if (!isChange && expect !== undefined) {
        throw new UsageError('--expect goes with --lease or --close-hint');
      }
      return async (session) => {
        if (isChange) {
          await session.kv.membership.setLeadership(change, {
            ...expected,
            ...session.remaining(),
          });
          session.out.line('OK', { changed: true });
          return DONE;
        }
        const status = await statusWithMembers(session);
        const { leadership, membershipVersion } = status;
        session.out.line(describe(status), { ...leadership, membershipVersion });
        return DONE;
      };
    },
  },
];

function describe(status: NodeStatus): string {
  const { leaderLeaseMs, closeHint } = status.leadership;
  const lease = leaderLeaseMs === null ? 'off' : `${leaderLeaseMs}ms`;
  return `lease ${lease}\nclose-hint ${closeHint ? 'on' : 'off'}\n${describeVersion(status)}`;
}

function leaseIn({ text, source }: Setting): number | null {
  if (text === 'off') return null;
  const leaseMs = parseDuration(text, source);
  if (Number.isInteger(leaseMs)) return leaseMs;
  throw new UsageError(`${source} must be whole milliseconds, or off, not ${text}`);
}

function isOnIn({ text, source }: Setting): boolean {
  if (text === 'on' || text === 'off') return text === 'on';
  throw new UsageError(`${source} must be on or off, not ${text}`);
}
