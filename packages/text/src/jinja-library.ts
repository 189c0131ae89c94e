/**
 * The part of @huggingface/jinja that this package uses, typed here: the library's own declarations import each
 * other without file extensions, which TypeScript does not resolve for ES modules.
 */

import * as jinja from '@huggingface/jinja';

/** Tokens and syntax tree pass through unread. */
type Tokens = readonly unknown[];
export interface Program {
  readonly type: string;
}

export interface Scope {
  /** Declares a variable; throws where the scope has one of that name. */
  set(name: string, value: unknown): unknown;
}

interface JinjaLibrary {
  readonly tokenize: (source: string, options: { lstrip_blocks: boolean; trim_blocks: boolean }) => Tokens;
  readonly parse: (tokens: Tokens) => Program;
  readonly Environment: new (parent?: Scope) => Scope;
  readonly Interpreter: new (scope: Scope) => { run(program: Program): { value: unknown } };
}

export const { tokenize, parse, Environment, Interpreter } = jinja as unknown as JinjaLibrary;
