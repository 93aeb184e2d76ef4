import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';

const PAGE = 'docs/correctness.md';

/** Every schedule of the sections A to G, and those of Node itself. */
const WANTED = [
  ...['A1', 'A2', 'A3', 'A4', 'A5', 'A6', 'A7', 'A8', 'A9', 'A13', 'A14', 'A15', 'A16', 'A22'],
  ...['B1', 'B2', 'B3', 'B4', 'B5', 'B6', 'B7', 'B8', 'B13', 'B15', 'B16', 'B17', 'B21', 'B24'],
  ...['C1', 'C3', 'C5', 'C9', 'C11', 'D1', 'D2', 'D3', 'D4', 'D6', 'D9', 'D13', 'D14', 'D15'],
  ...['E1', 'E2', 'E3', 'E4', 'E5', 'E6', 'E7', 'E8', 'E10', 'E11', 'E14', 'E15', 'E16'],
  ...['F1', 'F2', 'F4', 'F5', 'F6', 'F7', 'F8', 'G1', 'G3', 'G5', 'G6', 'G7'],
  ...['I1', 'I2', 'I3', 'I4', 'I5', 'I6', 'I7', 'I8', 'I9'],
];

t.test('the page on correctness', async (t) => {
  const lines = readFileSync(PAGE, 'utf8').split('\n');

  t.test('names only files that exist', async (t) => {
    const named = new Set(lines.flatMap(filesIn));
    t.ok(named.size > 20, 'files are named');
    t.same(
      [...named].filter((path) => !existsSync(path)),
      [],
    );
  });

  t.test('names only tests that stand in a file of the same row', async (t) => {
    const missing: string[] = [];
    let found = 0;
    for (const line of lines) {
      const names = testsIn(line);
      const sources = filesIn(line)
        .filter(existsSync)
        .map((path) => readFileSync(path, 'utf8'));
      for (const name of names) {
        if (sources.some((source) => holdsTest(source, name))) found += 1;
        else missing.push(name);
      }
    }
    t.same(missing, []);
    t.ok(found > 50, 'tests are named');
  });

  t.test('has a row for every schedule, each with a test or a reason', async (t) => {
    const rows = new Map(lines.map((line) => [/^\| ([A-I]\d+) \|/.exec(line)?.[1], line]));
    const open = WANTED.filter((schedule) => {
      const row = rows.get(schedule) ?? '';
      return testsIn(row).length === 0 && !/next:/.test(row);
    });
    t.same(open, []);
  });
});

function filesIn(line: string): readonly string[] {
  return [...line.matchAll(/`((?:lib|test|storage|transports)\/[^`]+)`/g)].map(([, path]) => path!);
}

function testsIn(line: string): readonly string[] {
  return [...line.matchAll(/"([^"]+)"/g)].map(([, name]) => name!);
}

/** Whether a name is written out in a source, or made there by a template, or heads a scenario. */
function holdsTest(source: string, name: string): boolean {
  if (source.startsWith(`# ${name}\n`)) return true;
  if (source.includes(`'${name}'`) || source.includes(`"${name}"`)) return true;
  return [...source.matchAll(/test\(\s*`([^`]*)`/g)].some(([, template]) => {
    const parts = template!
      .split(/\$\{[^}]*\}/)
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${parts.join('.+')}$`).test(name);
  });
}
