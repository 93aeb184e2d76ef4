import type { Mutation } from '../mutation.js';

const ELECTION = 'lib/raft/election.ts';
const DIRECTED = ['raft/schedules', 'raft/scenarios', 'raft/paper', 'raft/properties'];

/** Terms, votes, and who may be elected. */
export const ELECTIONS: readonly Mutation[] = [
  {
    id: 'M1',
    bug: 'a vote is granted before it is durable',
    seen: 'classic',
    file: ELECTION,
    find: "afterWrite(state, {\n    kind: 'send',\n    term,\n    index: 0,",
    replace: "emit(state, {\n    kind: 'send',",
    tests: DIRECTED,
  },
  {
    id: 'M1b',
    bug: 'a vote is not persisted, only a term',
    seen: 'classic',
    file: 'lib/raft/writes.ts',
    find: 'state.unwritten.hardState = true;',
    replace: 'state.unwritten.hardState = votedFor === null;',
    tests: DIRECTED,
  },
  {
    id: 'M3',
    bug: 'votes are asked for, and its own is counted, before that is durable',
    seen: 'sofa-jraft #2',
    file: ELECTION,
    find: "afterWrite(state, { kind: 'stand', term: state.hardState.term });",
    replace: 'stand(state);',
    tests: DIRECTED,
  },
  {
    id: 'M10',
    bug: 'a new leader appends no entry of its own',
    seen: 'RaftOS#30',
    file: 'lib/raft/replication.ts',
    find:
      "appendOwn(state, [{ kind: 'noop', commandVersion: 0, payload: EMPTY_BYTES }]);\n" +
      '  state.termStartIndex = state.log.lastIndex;',
    replace: 'state.termStartIndex = state.log.lastIndex + 1;',
    tests: DIRECTED,
  },
  {
    id: 'M11',
    bug: 'whoever asks gets the vote, whatever log it has',
    seen: 'classic',
    file: 'lib/raft/log.ts',
    find: 'return term > this.lastTerm || (term === this.lastTerm && index >= this.lastIndex);',
    replace: 'return index >= 0 && term >= 0;',
    tests: DIRECTED,
  },
  {
    id: 'M12',
    bug: 'logs are compared by their length alone',
    seen: 'classic',
    file: 'lib/raft/log.ts',
    find: 'return term > this.lastTerm || (term === this.lastTerm && index >= this.lastIndex);',
    replace: 'return term >= 0 && index >= this.lastIndex;',
    tests: DIRECTED,
  },
  {
    id: 'M12b',
    bug: 'logs are compared by their last term alone',
    seen: 'classic',
    file: 'lib/raft/log.ts',
    find: 'return term > this.lastTerm || (term === this.lastTerm && index >= this.lastIndex);',
    replace: 'return index >= 0 && term >= this.lastTerm;',
    tests: DIRECTED,
  },
  {
    id: 'M22',
    bug: 'an acknowledgement of an earlier term, after an append or a snapshot, counts in this one',
    seen: 'sofa-jraft #6, braft MC-2',
    file: 'lib/raft/raft.ts',
    find: "if (message.term < state.hardState.term && message.kind !== 'preVote') {",
    replace:
      "const isTaken = message.kind === 'preVote' || message.kind === 'appendAccepted';\n" +
      '  if (message.term < state.hardState.term && !isTaken) {',
    tests: DIRECTED,
  },
  {
    id: 'M23',
    bug: 'an answer of a later term to a heartbeat unseats nobody, and counts as contact',
    seen: 'hashicorp/raft #666',
    file: 'lib/raft/raft.ts',
    find: '    default:\n      break;\n  }\n  becomeFollower(state, message.term, null);',
    replace:
      "    case 'heartbeatReply':\n      return true;\n" +
      '    default:\n      break;\n  }\n  becomeFollower(state, message.term, null);',
    tests: DIRECTED,
  },
  {
    id: 'M40',
    bug: 'a leader that reaches no quorum goes on leading',
    seen: 'etcd',
    file: 'lib/raft/leading.ts',
    find: 'if (!heard) becomeFollower(state, state.hardState.term, null);\n  return heard;',
    replace: 'return heard || state.progress.size > 0;',
    tests: DIRECTED,
  },
  {
    id: 'Q1',
    bug: 'a candidate that steps down within its term forgets its vote',
    seen: null,
    file: 'lib/raft/roles.ts',
    find: 'if (term > state.hardState.term) setHardState(state, term, null);',
    replace:
      'if (changed) {\n    state.hardState = { term, votedFor: null };\n' +
      '    state.unwritten.hardState = true;\n  }',
    tests: DIRECTED,
  },
  {
    id: 'Q2',
    bug: 'members stand at once, without asking whether they could win',
    seen: null,
    file: ELECTION,
    find: '  recordPreVote(state, self, true);\n',
    replace:
      '  for (const voter of votersOf(configurationOf(state))) recordPreVote(state, voter, true);\n',
    tests: DIRECTED,
  },
  {
    id: 'Q3',
    bug: 'a member that hears its leader obeys a candidate of a later term',
    seen: null,
    file: 'lib/raft/raft.ts',
    find: '(isStickyToLeader(state) || isPromised(state))',
    replace: 'isPromised(state)',
    tests: DIRECTED,
  },
  {
    id: 'Q4',
    bug: 'a vote that comes after the election is counted',
    seen: null,
    file: ELECTION,
    find: "if (state.role !== 'candidate') return;",
    replace: "if (state.role === 'leader') return;",
    tests: DIRECTED,
  },
  {
    id: 'Q5',
    bug: 'a pre-vote that was granted for another term counts',
    seen: null,
    file: ELECTION,
    find: 'if (reply.granted && reply.term !== state.hardState.term + 1) return;\n',
    replace: '\n',
    tests: DIRECTED,
  },
  {
    id: 'Q6',
    bug: 'all members wait equally long before they stand',
    seen: null,
    file: 'lib/raft/roles.ts',
    find: 'electionMinTicks + Math.floor(state.options.random() * range)',
    replace: 'electionMinTicks + range',
    tests: DIRECTED,
  },
  {
    id: 'Q7',
    bug: 'votes of those who are no voters count',
    seen: null,
    file: 'lib/raft/quorum.ts',
    find: "if (hasQuorum(configuration, (member) => votes.get(member) === true)) return 'won';",
    replace:
      'const granted = [...votes.values()].filter(Boolean).length;\n' +
      "  if (granted > votersOf(configuration).length / 2) return 'won';",
    tests: DIRECTED,
  },
  {
    id: 'Q8',
    bug: 'a pre-candidate stands with the last term, not the next one',
    seen: null,
    file: ELECTION,
    find: "requestVotes(state, 'preVote', state.hardState.term + 1);",
    replace: "requestVotes(state, 'preVote', state.hardState.term);",
    tests: DIRECTED,
  },
];
