/** What the tables keep without looking into it. */

export interface Json {
  readonly [key: string]: unknown;
}

/** One thing said in a response or a conversation: a message, a call of a tool, its result, thoughts. */
export interface Item extends Json {
  readonly id: string;
}
