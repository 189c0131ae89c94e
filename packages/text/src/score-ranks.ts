/**
 * The order of merges that SentencePiece's scores stand for, worked out pair by pair when a text asks for it. A
 * vocabulary of 262,144 tokens stands for 580,000 merges, which would take seconds and 200 MB to write out.
 */

export class ScoreRanks extends Map<string, number> {
  private readonly ids: ReadonlyMap<string, number>;
  /** Place of each id, best score first; ties keep the order of the vocabulary. */
  private readonly places = new Map<number, number>();
  private readonly stride: number;
  private readonly known = new Map<string, number | undefined>();

  /** `ids` are the tokens that merging may make, and may start from. */
  constructor(ids: ReadonlyMap<string, number>, scoreOf: (id: number) => number) {
    super();
    this.ids = ids;
    const order = [...ids.values()].map((id) => ({ id, score: scoreOf(id) }));
    order.sort((a, b) => (a.score === b.score ? a.id - b.id : b.score - a.score));
    order.forEach(({ id }, place) => this.places.set(id, place));
    let longest = 1;
    for (const token of ids.keys()) longest = Math.max(longest, token.length);
    this.stride = longest;
  }

  /** The library asks by the JSON text of a pair. */
  override get(key: string): number | undefined {
    if (this.known.has(key)) return this.known.get(key);
    const [left, right] = JSON.parse(key) as [string, string];
    const rank = this.rank(left, right);
    if (this.known.size >= knownLimit) this.known.clear();
    this.known.set(key, rank);
    return rank;
  }

  /** By the token made; among the pairs that make the same one, by the ids of the halves, as transformers sorts. */
  private rank(left: string, right: string): number | undefined {
    const { ids } = this;
    const made = ids.get(left + right);
    const leftId = ids.get(left);
    const rightId = ids.get(right);
    if (made === undefined || leftId === undefined || rightId === undefined) return undefined;
    return this.places.get(made)! * this.stride + this.cutsBefore(left + right, leftId, rightId);
  }

  private cutsBefore(token: string, leftId: number, rightId: number): number {
    let count = 0;
    for (let cut = 1; cut < token.length; cut++) {
      const otherLeft = this.ids.get(token.slice(0, cut));
      if (otherLeft === undefined || otherLeft > leftId) continue;
      const otherRight = this.ids.get(token.slice(cut));
      if (otherRight !== undefined && (otherLeft < leftId || otherRight < rightId)) count++;
    }
    return count;
  }
}

/** Pairs remembered between texts; a few megabytes. */
const knownLimit = 1 << 16;
