import ts from 'typescript';
import type { PlacedMutation } from './mutation.js';

/*
 * Mutations that nobody has to think of: every guard that carries a citation of the papers is left out, turned
 * round, and freed of each of its parts. A citation in a comment before a statement is about that statement;
 * one before a function is about the guards that stand in it.
 */

const CITATION = /\b(?:Raft|Thesis) §/;

/** Tests of the core, those that tell most in the least time first. */
const TESTS = [
  'raft/scenarios',
  'raft/schedules',
  'raft/paper',
  'raft/membership',
  'raft/leadership',
  'raft/lease',
  'raft/snapshot',
  'raft/lost-state',
  'raft/properties',
];

interface Change {
  readonly node: ts.Node;
  readonly replace: string;
  readonly bug: string;
}

/** Those of one file, in the order of its text. `equivalent` says by id why nothing can notice one. */
export function citedGuards(
  file: string,
  text: string,
  equivalent: ReadonlyMap<string, string> = new Map(),
): readonly PlacedMutation[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true);
  const room = file.replace(/^.*\//, '').replace(/\.ts$/, '');
  const mutations: PlacedMutation[] = [];
  const counts = new Map<string, number>();
  for (const statement of citedStatements(source)) {
    for (const { node, replace, bug } of changesOf(statement, source)) {
      const name = `${room}.${functionOf(statement)}`;
      const count = (counts.get(name) ?? 0) + 1;
      counts.set(name, count);
      const id = `${name}-${count}`;
      const place = { from: node.getStart(source), to: node.getEnd() };
      const why = equivalent.get(id);
      mutations.push({
        ...{ id, bug, seen: null, file, replace, tests: TESTS, ...place },
        ...(why === undefined ? {} : { equivalent: why }),
      });
    }
  }
  return mutations;
}

function citedStatements(source: ts.SourceFile): ReadonlySet<ts.Statement> {
  const cited = new Set<ts.Statement>();
  const visit = (node: ts.Node): void => {
    const isBody = ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node);
    if (isBody && isCited(node, source)) {
      for (const guard of (node.body?.statements ?? []).filter(isGuard)) cited.add(guard);
    } else if (isInside(node) && isCited(node, source)) cited.add(node);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return cited;
}

/** Whether it stands in a function. */
function isInside(node: ts.Node): node is ts.Statement {
  return ts.isStatement(node) && ts.isBlock(node.parent) && !ts.isSourceFile(node.parent);
}

function isCited(node: ts.Node, source: ts.SourceFile): boolean {
  const comments = ts.getLeadingCommentRanges(source.text, node.getFullStart()) ?? [];
  return comments.some(({ pos, end }) => CITATION.test(source.text.slice(pos, end)));
}

function isGuard(statement: ts.Statement): boolean {
  return !ts.isExpressionStatement(statement);
}

function functionOf(statement: ts.Statement): string {
  for (let node: ts.Node = statement; node !== undefined; node = node.parent) {
    if (ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node)) {
      return node.name?.getText() ?? 'default';
    }
  }
  return 'file';
}

function changesOf(statement: ts.Statement, source: ts.SourceFile): readonly Change[] {
  if (ts.isIfStatement(statement)) {
    const { expression, elseStatement } = statement;
    const text = quoted(`if (${expression.getText(source)})`);
    const left: Change = { node: statement, replace: ';', bug: `${text} is left out` };
    return [
      ...(elseStatement === undefined ? [left] : []),
      ...negated(expression, source),
      ...halved(expression, source),
    ];
  }
  if (ts.isReturnStatement(statement) && statement.expression !== undefined) {
    const { expression } = statement;
    const conditions = conditionsOf(expression);
    return conditions.flatMap((condition) => [
      ...negated(condition, source),
      ...halved(condition, source),
    ]);
  }
  if (ts.isVariableStatement(statement)) {
    const initials = statement.declarationList.declarations.flatMap(({ initializer }) =>
      initializer === undefined ? [] : conditionsOf(initializer),
    );
    return initials.flatMap((condition) => halved(condition, source));
  }
  if (ts.isExpressionStatement(statement)) {
    const bug = `${quoted(statement.getText(source))} is left out`;
    return [{ node: statement, replace: ';', bug }];
  }
  return [];
}

/** What decides in an expression: itself where it is true or false, or what it chooses by. */
function conditionsOf(expression: ts.Expression): readonly ts.Expression[] {
  if (ts.isConditionalExpression(expression)) return [expression.condition];
  return ts.isBinaryExpression(expression) && isOfTruth(expression.operatorToken.kind)
    ? [expression]
    : [];
}

function isOfTruth(kind: ts.SyntaxKind): boolean {
  return isJunction(kind) || COMPARISONS.has(kind);
}

function isJunction(kind: ts.SyntaxKind): boolean {
  return kind === ts.SyntaxKind.AmpersandAmpersandToken || kind === ts.SyntaxKind.BarBarToken;
}

const COMPARISONS: ReadonlySet<ts.SyntaxKind> = new Set([
  ts.SyntaxKind.LessThanToken,
  ts.SyntaxKind.LessThanEqualsToken,
  ts.SyntaxKind.GreaterThanToken,
  ts.SyntaxKind.GreaterThanEqualsToken,
  ts.SyntaxKind.EqualsEqualsEqualsToken,
  ts.SyntaxKind.ExclamationEqualsEqualsToken,
]);

function negated(condition: ts.Expression, source: ts.SourceFile): readonly Change[] {
  const text = condition.getText(source);
  return [{ node: condition, replace: `!(${text})`, bug: `${quoted(text)} is negated` }];
}

/** Each part of a conjunction or disjunction is left out once. */
function halved(condition: ts.Expression, source: ts.SourceFile): readonly Change[] {
  const changes: Change[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isBinaryExpression(node) && isJunction(node.operatorToken.kind)) {
      const { left, right, operatorToken } = node;
      const isChain = ts.isBinaryExpression(left) && left.operatorToken.kind === operatorToken.kind;
      const parts = isChain
        ? [[left, right] as const]
        : [[left, right] as const, [right, left] as const];
      for (const [kept, gone] of parts) {
        const bug = `${quoted(gone.getText(source))} is left out of a condition`;
        changes.push({ node, replace: `(${kept.getText(source)})`, bug });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(condition);
  return changes;
}

const MAX_QUOTED = 70;

function quoted(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return `\`${line.length > MAX_QUOTED ? `${line.slice(0, MAX_QUOTED)}…` : line}\``;
}
