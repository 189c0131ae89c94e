/**
 * Canonical names of weights, which are GGUF's, and how Hugging Face's files call them. A name is a module
 * (`blk.0.attn_q`) and a part (`weight` or `bias`); tables name modules, parts carry over.
 */

/** Canonical module to published module; `{i}` stands for the layer. */
export type NameTable = Readonly<Record<string, string>>;

export interface WeightNames {
  readonly huggingFace: NameTable;
  /** Prefixes that files may add to or leave out of every published name. */
  readonly optionalPrefixes?: readonly string[];
  /** Tensors of `config.json` folders that carry nothing the graph needs, as whole published names. */
  readonly unusedHuggingFace?: RegExp;
  /** The same for GGUF files. */
  readonly unusedGguf?: RegExp;
}

/** The published name of canonical weight `name`, without optional prefixes. */
export function huggingFaceName(table: NameTable, name: string): string {
  const part = name.slice(name.lastIndexOf('.') + 1);
  const module = name.slice(0, name.lastIndexOf('.'));
  const layer = /^blk\.(\d+)\./.exec(module)?.[1];
  const published = table[layer === undefined ? module : module.replace(/^blk\.\d+\./, 'blk.{i}.')];
  if (published === undefined) throw new RangeError(`no published name is known for weight ${name}`);
  return `${published.replace('{i}', layer ?? '')}.${part}`;
}
