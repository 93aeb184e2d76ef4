/*
 * The form of a scenario: paragraphs with an empty line between them. A paragraph is comments
 * (`# …`), or comments and commands, and then, where there is something to see, a line of `----` and
 * what happens. Only what happens is rewritten.
 */

const RULE = '----';

export interface ScenarioFile {
  /** The sentence that the scenario shows: its first line. */
  readonly title: string;
  readonly paragraphs: readonly Paragraph[];
}

export interface Paragraph {
  /** Comments and commands, as written. */
  readonly lines: readonly ScenarioLine[];
  /** What was written below the rule. */
  readonly expected: readonly string[];
}

export interface ScenarioLine {
  readonly text: string;
  /** From 1. */
  readonly number: number;
}

/** `name` is for messages. */
export function parseScenario(name: string, text: string): ScenarioFile {
  const [first = ''] = text.split('\n');
  if (!/^# .+/.test(first)) {
    throw new Error(`${name}:1: a scenario begins with the sentence that it shows: # …`);
  }
  const paragraphs: Paragraph[] = [];
  let lines: ScenarioLine[] = [];
  for (const [i, line] of [...text.split('\n'), ''].entries()) {
    if (line.trim() !== '') {
      lines.push({ text: line.trimEnd(), number: i + 1 });
    } else if (lines.length > 0) {
      paragraphs.push(paragraphOf(lines));
      lines = [];
    }
  }
  return { title: first.slice(2).replace(/\.$/, ''), paragraphs };
}

/** Each paragraph with what now happens in it, as the file would hold it. */
export function formatScenario(
  paragraphs: readonly { readonly paragraph: Paragraph; readonly happens: readonly string[] }[],
): string {
  return `${paragraphs
    .map(({ paragraph, happens }) => {
      const written = paragraph.lines.map(({ text }) => text);
      return happens.length > 0 ? [...written, RULE, ...happens] : written;
    })
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

export function isCommand({ text }: ScenarioLine): boolean {
  return !text.startsWith('#');
}

function paragraphOf(lines: readonly ScenarioLine[]): Paragraph {
  const rule = lines.findIndex(({ text }) => text === RULE);
  if (rule < 0) return { lines, expected: [] };
  return { lines: lines.slice(0, rule), expected: lines.slice(rule + 1).map(({ text }) => text) };
}

/** One command, read word by word. A word that no part of the command asks for is an error. */
export class Words {
  readonly #words: string[];

  /** Words are apart by spaces, but not within brackets: `log=[1/1 1/2]` is one. */
  constructor(line: string) {
    this.#words = line.match(/(?:[^\s[]|\[[^\]]*\])+/g) ?? [];
  }

  /** The next word, which must be there. */
  next(what: string): string {
    const word = this.#words.shift();
    if (word === undefined) throw new Error(`${what} is missing`);
    return word;
  }

  /** The next word where it is of this form. */
  match(form: RegExp): string | undefined {
    const [word] = this.#words;
    return word !== undefined && form.test(word) ? this.#words.shift() : undefined;
  }

  /** The next word where it is a number. */
  count(otherwise: number): number {
    return Number(this.match(/^\d+$/) ?? otherwise);
  }

  /** The value of `name=value`, wherever it stands. */
  option(name: string): string | undefined {
    const position = this.#words.findIndex((word) => word.startsWith(`${name}=`));
    if (position < 0) return undefined;
    return this.#words.splice(position, 1)[0]?.slice(name.length + 1);
  }

  number(name: string): number | undefined {
    const value = this.option(name);
    if (value === undefined) return undefined;
    if (!/^\d+$/.test(value)) throw new Error(`${name}=${value} is no number`);
    return Number(value);
  }

  /** Whether `name` stands anywhere. */
  flag(name: string): boolean {
    const position = this.#words.indexOf(name);
    if (position >= 0) this.#words.splice(position, 1);
    return position >= 0;
  }

  /** All that is left, at least one. */
  rest(what: string): readonly string[] {
    return [this.next(what), ...this.#words.splice(0)];
  }

  end(): void {
    if (this.#words.length > 0) throw new Error(`nobody asked for "${this.#words.join(' ')}"`);
  }
}
