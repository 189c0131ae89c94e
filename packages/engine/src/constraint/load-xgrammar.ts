/**
 * Loads xgrammar, which is C++ as WebAssembly within one script. The package calls itself an ES module and is none, so
 * Node cannot import it: there its text is run as a function whose surroundings look like a plain JavaScript host.
 */

import type * as Library from '@mlc-ai/web-xgrammar';
import { UnsupportedError } from '@steelyard/core';

export type XGrammar = typeof Library;

interface NodeParts {
  readonly fs: { readFileSync(path: string, encoding: 'utf8'): string };
  readonly module: { createRequire(from: string): { resolve(name: string): string } };
  readonly vm: { compileFunction(code: string, params: string[]): (...values: unknown[]) => unknown };
}

/** What a failed call wrote about its reason; such a call ends in an error that says nothing. */
export interface LoadedXGrammar {
  readonly library: XGrammar;
  /** The last complaint since the last call, and forgets it. */
  readonly complaint: () => string | undefined;
}

let loading: Promise<LoadedXGrammar> | undefined;

/** One instance serves all models. @throws UnsupportedError where it cannot run */
export function loadXGrammar(): Promise<LoadedXGrammar> {
  loading ??= load().catch((error: unknown) => {
    loading = undefined;
    throw new UnsupportedError(
      `constrained output cannot work here: xgrammar does not load (${String(error)})`,
      {
        cause: error,
      },
    );
  });
  return loading;
}

async function load(): Promise<LoadedXGrammar> {
  const node = nodeParts();
  if (node) return loadInNode(node);
  const imported = await import('@mlc-ai/web-xgrammar');
  // Without a bundler the script leaves itself in the global scope.
  const global = (globalThis as { xgrammar?: XGrammar }).xgrammar;
  const library = 'GrammarMatcher' in imported ? imported : global;
  if (!library) throw new Error('the script has no exports');
  return { library, complaint: () => undefined };
}

function nodeParts(): NodeParts | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  const get = process?.getBuiltinModule;
  if (!get) return undefined;
  return { fs: get('node:fs'), module: get('node:module'), vm: get('node:vm') } as NodeParts;
}

function loadInNode({ fs, module, vm }: NodeParts): LoadedXGrammar {
  const path = module.createRequire(import.meta.url).resolve('@mlc-ai/web-xgrammar');
  const exports: Partial<XGrammar> = {};
  let complaint: string | undefined;
  const hear = (...words: unknown[]): void => {
    complaint = words.join(' ');
  };
  const values = {
    exports,
    module: { exports },
    process: undefined,
    document: { baseURI: import.meta.url },
    console: { ...console, log: () => undefined, warn: hear, error: hear },
  };
  vm.compileFunction(fs.readFileSync(path, 'utf8'), Object.keys(values))(...Object.values(values));
  return {
    library: exports as XGrammar,
    complaint() {
      const last = complaint;
      complaint = undefined;
      return last;
    },
  };
}
