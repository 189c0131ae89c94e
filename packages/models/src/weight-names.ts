/**
 * Canonical names of weights, which are GGUF's, and how Hugging Face's files call them. A name is a module
 * (`blk.0.attn_q`) and a part (`weight` or `bias`); tables name modules, parts carry over.
 */

/**
 * Canonical module to published module; `{i}` stands for the layer. A whole name (`blk.{i}.attn_sinks.weight`) maps to
 * a whole name, where the parts differ. `{e}` stands for the expert, where files hold a stack of experts one by one.
 */
export type NameTable = Readonly<Record<string, string>>;

export interface WeightNames {
  readonly huggingFace: NameTable;
  /** Prefixes that files may add to or leave out of every published name. */
  readonly optionalPrefixes?: readonly string[];
  /** Tensors of `config.json` folders that carry nothing the graph needs, as whole published names. */
  readonly unusedHuggingFace?: RegExp;
  /** The same for GGUF files. */
  readonly unusedGguf?: RegExp;
  /** Names in files of earlier converters, for what they hold under another name. */
  readonly earlierGguf?: NameTable;
}

/** Parts that files call otherwise: factors of weights in 8-bit floats, by which they are multiplied. */
const PARTS: Readonly<Record<string, string>> = { '.scales': '.weight_scale_inv' };

/** The published name of canonical weight `name`, without optional prefixes; `{e}` is left in it. */
export function publishedName(table: NameTable, name: string): string | undefined {
  const layer = /^blk\.(\d+)\./.exec(name)?.[1];
  const general = layer === undefined ? name : name.replace(/^blk\.\d+\./, 'blk.{i}.');
  const dot = general.lastIndexOf('.');
  const [module, part] = [general.slice(0, dot), general.slice(dot)];
  const published =
    table[general] ?? (module in table ? `${table[module]}${PARTS[part] ?? part}` : undefined);
  return published?.replace('{i}', layer ?? '');
}

/** @throws RangeError for a weight that has no name there, a fault of the architecture's file */
export function huggingFaceName(table: NameTable, name: string): string {
  const published = publishedName(table, name);
  if (published === undefined) throw new RangeError(`no published name is known for weight ${name}`);
  return published;
}
