// Writes the documents' tables from the compiled code: what stands between two markers of a page is
// replaced, the rest of the page is written by hand. With --check nothing is written, and a page
// that is not current is an error.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ERROR_CODES } from '../dist/lib/base/index.js';
import { leaseRange } from '../dist/lib/node/lease-fit.js';
import { METRICS } from '../dist/lib/observe/index.js';
import {
  HOST_TIMINGS,
  PRESET_PURPOSES,
  resolveTiming,
  TIMING_PRESETS,
} from '../dist/lib/timing/index.js';
import { guardsTable, mutationsTable, totalsTable } from '../dist/test/mutation/table.js';

const MUTATIONS = JSON.parse(
  readFileSync(fileURLToPath(new URL('../test/mutation/results.json', import.meta.url)), 'utf8'),
);

const PAGES = {
  'errors.md': { codes: codesTable() },
  'evidence.md': {
    totals: tableOf(totalsTable(MUTATIONS)),
    mutations: tableOf(mutationsTable(MUTATIONS)),
    guards: tableOf(guardsTable(MUTATIONS)),
  },
  'metrics.md': { metrics: metricsTable() },
  'timing.md': { presets: presetsTable(), hosts: hostsTable(), leases: leasesTable() },
};

const onlyCheck = process.argv.includes('--check');
for (const [name, tables] of Object.entries(PAGES)) {
  const path = fileURLToPath(new URL(name, import.meta.url));
  const written = readFileSync(path, 'utf8');
  let current = written;
  for (const [table, text] of Object.entries(tables))
    current = replaced(name, current, table, text);
  if (current === written) continue;
  if (onlyCheck) {
    console.error(`docs/${name} is not what the code says; run: npm run tables`);
    process.exitCode = 1;
  } else {
    writeFileSync(path, current);
  }
}

function codesTable() {
  const rows = Object.entries(ERROR_CODES).map(([code, meaning]) => [`\`${code}\``, meaning]);
  return table(['code', 'what it tells the caller'], rows);
}

function metricsTable() {
  const rows = Object.entries(METRICS).map(([name, meaning]) => [`\`${name}\``, meaning]);
  return table(['metric', 'what it counts'], rows);
}

function leasesTable() {
  const rows = Object.keys(TIMING_PRESETS).map((name) => {
    const { leastMs, mostMs } = leaseRange(resolveTiming(name));
    return [`\`${name}\``, `${leastMs} to ${mostMs} ms`];
  });
  return table(['timing', 'leases that fit'], rows);
}

function presetsTable() {
  const rows = Object.keys(TIMING_PRESETS).map((name) => {
    const timing = resolveTiming(name);
    return [
      `\`${name}\``,
      duration(timing.tickMs),
      duration(timing.heartbeatMs),
      range(timing),
      duration(timing.networkDelayMs),
      PRESET_PURPOSES[name],
    ];
  });
  const head = [
    'preset',
    'tick',
    'heartbeat',
    'election timeout',
    'artificial network delay',
    'for',
  ];
  return table(head, rows);
}

function hostsTable() {
  const rows = HOST_TIMINGS.map(({ host, timing, reason }) => {
    return [host, `\`timing: ${literal(timing)}\``, range(resolveTiming(timing)), reason];
  });
  return table(['host', 'timing that holds', 'election timeout', 'why'], rows);
}

/** As one would write it in a source. */
function literal(timing) {
  if (typeof timing === 'string') return `'${timing}'`;
  const fields = Object.entries(timing).map(([name, value]) => `${name}: ${value}`);
  return `{ ${fields.join(', ')} }`;
}

function range({ electionTimeoutMinMs, electionTimeoutMaxMs }) {
  return `${duration(electionTimeoutMinMs)} to ${duration(electionTimeoutMaxMs)}`;
}

function duration(ms) {
  if (ms === 0) return '0';
  return ms >= 1000 ? `${ms / 1000} s` : `${ms} ms`;
}

function tableOf({ head, rows }) {
  return table(head, rows);
}

function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function replaced(page, text, name, content) {
  const start = `<!-- generated: ${name} -->`;
  const end = '<!-- end -->';
  const from = text.indexOf(start);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`docs/${page} has no place for the table ${name}`);
  return `${text.slice(0, from + start.length)}\n\n${content}\n\n${text.slice(to)}`;
}
