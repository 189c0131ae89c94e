/**
 * Calls while they are written: the name once it is known, then the text of the arguments as it comes. What a section
 * holds is read again when it is whole (read-calls.ts); a scanner only runs ahead, and says nothing where it is unsure.
 */

/** More of the arguments of the section's `call`-th call; the first piece of a call has its name. */
export interface CallPiece {
  readonly call: number;
  readonly name?: string;
  readonly arguments: string;
}

export interface CallScanner {
  /** Takes what the section has more; however it is cut, the same comes out in the end. */
  push(text: string): CallPiece[];
}

/** Calls in JSON, one or a list: objects with a name and, after it, arguments. */
export function scanJsonCalls(): CallScanner {
  return new JsonScanner();
}

/** Arguments alone, of a call whose name is known. */
export function scanArguments(name: string): CallScanner {
  return new PrefixScanner(/^\s*(?=\{)/, () => name);
}

/**
 * Arguments behind a text that names the call.
 * @param before matches from the end of the call before up to the brace that opens the arguments
 */
export function scanNamed(before: RegExp): CallScanner {
  return new PrefixScanner(before, (found) => found.slice(1).find((name) => name !== undefined) ?? '');
}

/** The first scanner where the text begins with a bracket, else the other. */
export function scanEither(bracketed: CallScanner, other: CallScanner): CallScanner {
  let chosen: CallScanner | undefined;
  return {
    push(text) {
      const first = text.trimStart()[0];
      if (first !== undefined) chosen ??= first === '[' || first === '{' ? bracketed : other;
      return chosen?.push(text) ?? [];
    },
  };
}

/** Where an object ends, character by character. */
class ObjectEnd {
  #depth = 0;
  #string = false;
  #escaped = false;

  /** True with the brace that closes what the first one opened. */
  take(character: string): boolean {
    if (this.#string) {
      if (this.#escaped) this.#escaped = false;
      else if (character === '\\') this.#escaped = true;
      else if (character === '"') this.#string = false;
      return false;
    }
    if (character === '"') this.#string = true;
    else if (character === '{' || character === '[') this.#depth++;
    else if (character === '}' || character === ']') this.#depth--;
    return this.#depth === 0;
  }
}

/** Cuts the arguments of one call out of what comes. */
class ArgumentsReader {
  readonly #call: number;
  #name: string | undefined;
  readonly #end = new ObjectEnd();

  constructor(call: number, name: string) {
    this.#call = call;
    this.#name = name;
  }

  /** What of `text` from `from` on belongs to the arguments, and where these end, if they do. */
  read(text: string, from: number): { piece: CallPiece; end: number | undefined } {
    let at = from;
    let end: number | undefined;
    while (end === undefined && at < text.length) if (this.#end.take(text[at++] as string)) end = at;
    const name = this.#name;
    this.#name = undefined;
    return {
      piece: { call: this.#call, ...(name !== undefined && { name }), arguments: text.slice(from, at) },
      end,
    };
  }
}

/** Longer texts before arguments are none that a model was taught. */
const LONGEST_PREFIX = 1000;

class PrefixScanner implements CallScanner {
  readonly #before: RegExp;
  readonly #nameOf: (found: RegExpExecArray) => string;
  #prefix = '';
  #calls = 0;
  #open: ArgumentsReader | undefined;
  #lost = false;

  constructor(before: RegExp, nameOf: (found: RegExpExecArray) => string) {
    this.#before = before;
    this.#nameOf = nameOf;
  }

  push(text: string): CallPiece[] {
    const pieces: CallPiece[] = [];
    for (let at = 0; at < text.length && !this.#lost;) {
      if (!this.#open) {
        this.#prefix += text[at] as string;
        const found = text[at] === '{' ? this.#before.exec(this.#prefix) : null;
        this.#lost = this.#prefix.length > LONGEST_PREFIX;
        if (!found) {
          at++;
          continue;
        }
        const name = this.#nameOf(found).trim();
        this.#lost = name === '';
        this.#open = new ArgumentsReader(this.#calls++, name);
        continue;
      }
      const { piece, end } = this.#open.read(text, at);
      pieces.push(piece);
      at = end ?? text.length;
      if (end === undefined) continue;
      this.#open = undefined;
      this.#prefix = '';
    }
    return pieces;
  }
}

const NAMES = ['name', 'tool_name'];
const ARGUMENTS = ['arguments', 'parameters'];

/** Follows JSON only as far as it must: whose keys are whose, and where strings end. */
class JsonScanner implements CallScanner {
  #call = -1;
  #depth = 0;
  /** Depth within a call; unknown before the first bracket. */
  #level: number | undefined;
  #string: string | undefined;
  #escaped = false;
  #key = '';
  #value = false;
  #name: string | undefined;
  #begun = false;
  #open: ArgumentsReader | undefined;

  push(text: string): CallPiece[] {
    const pieces: CallPiece[] = [];
    for (let at = 0; at < text.length;) {
      if (this.#open) {
        const { piece, end } = this.#open.read(text, at);
        pieces.push(piece);
        at = end ?? text.length;
        if (end !== undefined) this.#open = undefined;
        continue;
      }
      const character = text[at] as string;
      if (this.#string !== undefined) this.#inString(character);
      else if (character === '{' && this.#opensArguments()) {
        this.#open = new ArgumentsReader(this.#call, this.#name as string);
        this.#begun = true;
        continue;
      } else this.#structure(character);
      at++;
    }
    return pieces;
  }

  #opensArguments(): boolean {
    const here = this.#depth === this.#level && this.#value && ARGUMENTS.includes(this.#key);
    return here && this.#name !== undefined && !this.#begun;
  }

  #structure(character: string): void {
    if (character === '"') this.#string = '"';
    else if (character === ':') this.#value = true;
    else if (character === ',') this.#value = false;
    else if (character === '{' || character === '[') this.#enter(character);
    else if (character === '}' || character === ']') this.#depth--;
  }

  #enter(bracket: string): void {
    this.#level ??= bracket === '[' ? 2 : 1;
    this.#depth++;
    this.#value = false;
    if (this.#depth !== this.#level) return;
    this.#call++;
    this.#name = undefined;
    this.#begun = false;
  }

  #inString(character: string): void {
    this.#string += character;
    if (this.#escaped) this.#escaped = false;
    else if (character === '\\') this.#escaped = true;
    else if (character === '"') this.#endString();
  }

  #endString(): void {
    const text = spelled(this.#string as string);
    this.#string = undefined;
    if (this.#depth !== this.#level) return;
    if (!this.#value) this.#key = text;
    else if (NAMES.includes(this.#key) && text !== '') this.#name ??= text;
  }
}

/** '' for what is no JSON string. */
function spelled(quoted: string): string {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return '';
  }
}
