/** Grammars compiled by xgrammar for single bytes: the same for every tokenizer. The last used are kept. */

import type { CompiledGrammar, GrammarCompiler } from '@mlc-ai/web-xgrammar';
import { RequestError } from '@steelyard/core';
import { loadXGrammar, type LoadedXGrammar } from './load-xgrammar.ts';

/** The token that ends a text, behind those of the 256 bytes. */
export const END = 256;

/** Compiled grammars to keep. */
const KEPT = 64;

interface Compiler {
  readonly loaded: LoadedXGrammar;
  readonly compiler: GrammarCompiler;
}

let compiler: Promise<Compiler> | undefined;
/** By grammar text; the least recently used first. */
const compiled = new Map<string, Promise<CompiledGrammar>>();

/** @throws RequestError when xgrammar refuses the grammar, UnsupportedError when it cannot run */
export function compileGrammar(ebnf: string): Promise<CompiledGrammar> {
  const grammar = compiled.get(ebnf) ?? compileNew(ebnf);
  compiled.delete(ebnf);
  compiled.set(ebnf, grammar);
  for (const [oldest, old] of compiled) {
    if (compiled.size <= KEPT) break;
    compiled.delete(oldest);
    // Matchers that run hold what they need of it themselves.
    void old.then((one) => one.dispose()).catch(() => undefined);
  }
  return grammar;
}

async function compileNew(ebnf: string): Promise<CompiledGrammar> {
  compiler ??= start().catch((error: unknown) => {
    compiler = undefined;
    throw error;
  });
  try {
    const { loaded, compiler: of } = await compiler;
    loaded.complaint();
    return await of.compileGrammar(ebnf).catch((error: unknown) => {
      const why = loaded.complaint() ?? String(error);
      throw new RequestError(`the constraint's grammar cannot be compiled: ${why}`, 'constraint');
    });
  } catch (error) {
    compiled.delete(ebnf);
    throw error;
  }
}

async function start(): Promise<Compiler> {
  const loaded = await loadXGrammar();
  const { TokenizerInfo, GrammarCompiler: Compilers } = loaded.library;
  const bytes = [...Array.from({ length: END }, (_, byte) => Uint8Array.of(byte)), new Uint8Array(0)];
  // The library takes bytes where its types say strings.
  const vocabulary = bytes as unknown as string[];
  const info = await TokenizerInfo.createTokenizerInfo(vocabulary, 'raw', false, bytes.length, [END]);
  return { loaded, compiler: await Compilers.createGrammarCompiler(info, false) };
}
