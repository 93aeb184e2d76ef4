import ts from 'typescript';

/** What a file that is compiled by itself does not know: where it stands, and that it is a module. */
const ALONE = {
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  rootDir: '.',
  declaration: false,
  declarationMap: false,
  incremental: false,
};

/** Compiles one file of the repository as the build does, and looks at its types among all the others. */
export class Compiler {
  readonly #options: ts.CompilerOptions;
  readonly #fileNames: readonly string[];
  readonly #replaced = new Map<string, { readonly text: string; readonly version: number }>();
  #version = 0;
  #service: ts.LanguageService | null = null;

  /** In the working directory, which is the top of the repository. */
  constructor() {
    const read = ts.readConfigFile('tsconfig.json', (path) => ts.sys.readFile(path));
    const config = ts.parseJsonConfigFileContent(read.config, ts.sys, process.cwd());
    this.#options = config.options;
    this.#fileNames = config.fileNames;
  }

  /** The compiled text. What is no TypeScript is thrown. */
  compile(file: string, text: string): string {
    const { outputText, diagnostics = [] } = ts.transpileModule(text, {
      fileName: file,
      compilerOptions: { ...this.#options, ...ALONE },
      reportDiagnostics: true,
    });
    if (diagnostics.length > 0) throw new Error(`${file}: ${wordsOf(diagnostics)}`);
    return outputText;
  }

  /** What the types of a file would be told, were this its text; null for nothing. */
  typeErrors(file: string, text: string): string | null {
    const path = `${process.cwd()}/${file}`;
    this.#version += 1;
    this.#replaced.set(path, { text, version: this.#version });
    this.#service ??= ts.createLanguageService(this.#host());
    const errors = this.#service.getSemanticDiagnostics(path);
    this.#replaced.delete(path);
    return errors.length === 0 ? null : wordsOf(errors);
  }

  #host(): ts.LanguageServiceHost {
    return {
      getCompilationSettings: () => ({ ...this.#options, noEmit: true }),
      getScriptFileNames: () => [...this.#fileNames],
      getScriptVersion: (path) => String(this.#replaced.get(path)?.version ?? 0),
      getScriptSnapshot: (path) => {
        const text = this.#replaced.get(path)?.text ?? ts.sys.readFile(path);
        return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
      },
      getCurrentDirectory: () => process.cwd(),
      getDefaultLibFileName: (options) => ts.getDefaultLibFilePath(options),
      fileExists: (path) => ts.sys.fileExists(path),
      readFile: (path) => ts.sys.readFile(path),
      directoryExists: (path) => ts.sys.directoryExists(path),
      getDirectories: (path) => ts.sys.getDirectories(path),
    };
  }
}

function wordsOf(diagnostics: readonly ts.Diagnostic[]): string {
  return diagnostics
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '))
    .join('; ');
}
