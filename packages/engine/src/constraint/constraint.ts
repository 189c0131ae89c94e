/** What an answer may be held to, and the grammar text of each kind. */

import { RequestError } from '@steelyard/core';
import { ebnfGrammar } from './ebnf.ts';
import { Rules, seq, text, toEbnf, writtenOut, type Grammar } from './grammar.ts';
import { anyObject } from './json-text.ts';
import { schemaGrammar } from './json-schema.ts';
import { regexGrammar, spellPlain } from './regex.ts';

/** The whole answer must match it. */
export type Constraint =
  /** Any JSON object. */
  | { readonly type: 'json' }
  /** JSON valid under a JSON Schema; keywords that cannot be held to are refused. */
  | {
      readonly type: 'json_schema';
      readonly schema: unknown;
      /** Text around the JSON. */
      readonly before?: string;
      readonly after?: string;
    }
  /** An ECMAScript pattern over the whole answer. */
  | { readonly type: 'regex'; readonly pattern: string }
  /** A grammar in xgrammar's EBNF, which starts with the rule `root`. */
  | { readonly type: 'ebnf'; readonly grammar: string }
  /** One of several sequences of parts: thoughts, headers and marks around what is held to a constraint. */
  | {
      readonly type: 'outline';
      readonly paths: readonly (readonly OutlinePart[])[];
      /** The ways on from a part `again`. */
      readonly loop?: readonly (readonly OutlinePart[])[];
    };

export type OutlinePart =
  /** This text, in which special tokens are spelled out. */
  | { readonly literal: string }
  /** Anything up to this text and with it; the answer may end before only where that is said. */
  | { readonly until: string; readonly mayEnd?: boolean }
  | { readonly held: HeldConstraint }
  /** At the end of a path: any of the outline's `loop`. */
  | { readonly again: true };

export type HeldConstraint = Exclude<Constraint, { type: 'outline' }>;

/** Longest grammar text, in characters. */
const MAX_GRAMMAR = 2_000_000;
/** Largest grammar with its repetitions written out: about a fifth of a second to compile. */
const MAX_WRITTEN_OUT = 20_000;

/**
 * Refuses what cannot be held to, before anything runs; a model does so itself when it is asked.
 * @throws RequestError whose `param` is the path within the schema
 */
export function checkConstraint(constraint: Constraint): void {
  for (const held of heldParts(constraint)) constraintEbnf(held);
}

/** Those of an outline's parts that are held to a grammar, or the constraint itself. */
export function heldParts(constraint: Constraint): readonly HeldConstraint[] {
  if (constraint.type !== 'outline') return [constraint];
  const parts = [...constraint.paths, ...(constraint.loop ?? [])].flat();
  return parts.flatMap((part) => ('held' in part ? [part.held] : []));
}

/** @throws RequestError naming what cannot be held to, by its path within the schema */
export function constraintEbnf(constraint: HeldConstraint): string {
  const ebnf = textOf(constraint);
  if (ebnf === undefined) {
    throw new RequestError('nothing can satisfy the constraint; check its required parts', 'constraint');
  }
  if (ebnf.length > MAX_GRAMMAR) {
    throw new RequestError(
      `the constraint makes a grammar of ${ebnf.length} characters, expected at most ${MAX_GRAMMAR}; simplify it`,
      'constraint',
    );
  }
  return ebnf;
}

function textOf(constraint: HeldConstraint): string | undefined {
  switch (constraint.type) {
    case 'json': {
      const rules = new Rules();
      return toEbnf({ root: anyObject(rules), rules });
    }
    case 'json_schema':
      return textWithin(between(constraint, schemaGrammar(constraint.schema)), 'schema');
    case 'regex': {
      const options = { spell: spellPlain, whole: true, param: 'pattern' };
      return textWithin({ root: regexGrammar(constraint.pattern, options), rules: new Rules() }, 'pattern');
    }
    case 'ebnf':
      return textWithin(ebnfGrammar(constraint.grammar, 'grammar'), 'grammar');
  }
}

function between(
  { before = '', after = '' }: { before?: string; after?: string },
  grammar: Grammar,
): Grammar {
  return { ...grammar, root: seq(text(before), grammar.root, text(after)) };
}

function textWithin(grammar: Grammar, what: string): string | undefined {
  const size = writtenOut(grammar);
  if (size <= MAX_WRITTEN_OUT) return toEbnf(grammar);
  throw new RequestError(
    `the ${what}, its repetitions written out, has ${size} characters, expected at most ${MAX_WRITTEN_OUT}; repeat less`,
    'constraint',
  );
}
