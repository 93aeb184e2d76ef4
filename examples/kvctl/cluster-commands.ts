import { bytes, QuorateError } from 'quorate';
import { connect } from 'quorate/client';
import type { Member, NodeStatus } from 'quorate/interfaces';
import { columns } from '../cli/help.js';
import { describeKept, describeLeader, describeRole } from '../console/descriptions.js';
import { type Command, DONE, type Session } from './command.js';

/** Commands about the cluster itself. */
export const CLUSTER_COMMANDS: readonly Command[] = [
  {
    names: ['leader'],
    usage: '',
    help: 'who leads, and where',
    words: [0, 0],
    flags: [],
    prepare: () => async (session) => {
      const { leader, ...status } = await statusWithLeader(session);
      if (leader === null) throw new QuorateError('ERR_NO_LEADER', { message: 'nobody leads now' });
      session.out.line(describeLeader({ leader, ...status }), leader);
      return DONE;
    },
  },
  {
    names: ['transfer'],
    usage: '[ID]',
    help: 'hands leadership to a voter, or to the most caught-up one; who leads then',
    words: [0, 1],
    flags: [],
    prepare:
      ({ words: [to] }) =>
      async (session) => {
        const { leader } = await session.kv.transferLeadership(to, session.remaining());
        const { members } = session.kv.status();
        const { peerAddress = null, clientAddress = null } =
          members.find(({ id }) => id === leader) ?? {};
        const record = { id: leader, address: peerAddress, clientAddress };
        session.out.line(describeLeader({ leader: record }), record);
        return DONE;
      },
  },
  {
    names: ['status'],
    usage: '',
    help: 'how every member stands, what it keeps, and why',
    words: [0, 0],
    flags: [],
    prepare: () => async (session) => {
      const { members } = await statusWithMembers(session);
      const reports = await Promise.all(members.map((member) => reportOf(member, session)));
      if (session.out.isJson) {
        for (const report of reports) session.out.line('', report);
        return DONE;
      }
      const header = ['ID', 'ROLE', 'TERM', 'COMMIT', 'APPLIED', 'PEERS', 'CLIENTS'];
      const kept = reports.flatMap(keptRows);
      const tables = [[header, ...reports.map(rowOf)], ...(kept.length === 0 ? [] : [kept])];
      session.out.line(tables.map((table) => columns(table, '')).join('\n\n'), {});
      return DONE;
    },
  },
];

/** One member, and what it says of itself or why it does not. */
type Report = Member & ({ readonly status: NodeStatus } | { readonly error: string });

const STATUS_TIMEOUT_MS = 1000;

/** What servers say, once one of them knows of a leader. */
async function statusWithLeader({ kv, remaining }: Session): Promise<NodeStatus> {
  if (kv.status().leader === null) await kv.ready(remaining());
  return kv.status();
}

/**
 * What servers say, from one that belongs to the cluster if there is one: a member that lost its disk
 * knows nobody.
 */
export async function statusWithMembers({ kv, remaining }: Session): Promise<NodeStatus> {
  if (kv.status().members.length === 0) {
    const timeoutMs = Math.min(STATUS_TIMEOUT_MS, remaining().timeoutMs);
    await kv.ready({ timeoutMs }).catch((error: unknown) => {
      // Nobody leads yet: what is known without a leader is the answer.
      if (!QuorateError.is(error)) throw error;
    });
  }
  return kv.status();
}

async function reportOf(member: Member, { remaining }: Session): Promise<Report> {
  const { clientAddress } = member;
  if (clientAddress === null) return { ...member, error: 'serves no clients' };
  const callTimeoutMs = Math.min(STATUS_TIMEOUT_MS, remaining().timeoutMs);
  try {
    const kv = await connect({ endpoints: [clientAddress], callTimeoutMs, values: bytes });
    const status = kv.status();
    await kv.close();
    return { ...member, status };
  } catch (error) {
    return { ...member, error: error instanceof Error ? error.message : String(error) };
  }
}

function rowOf(report: Report): readonly string[] {
  const { id, peerAddress, clientAddress } = report;
  const where = [peerAddress, clientAddress ?? '-'];
  if ('error' in report) return [id, 'unreachable', '-', '-', '-', ...where];
  const { term, commitIndex, appliedIndex } = report.status;
  const role = describeRole(report.status);
  return [id, role, String(term), String(commitIndex), String(appliedIndex), ...where];
}

/** What a member keeps, and why: the first line begins with its name. */
function keptRows(report: Report): readonly (readonly string[])[] {
  if ('error' in report) return [];
  return describeKept(report.status).map((line, i) => [i === 0 ? `${report.id} keeps` : '', line]);
}
