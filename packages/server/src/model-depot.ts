/** Where models are kept on disk, as far as requests may see and change it. What may come from outside is decided by who gives it. */

import type { PullProgress, StoredModel } from '@steelyard/hub';

export type { PullProgress, StoredModel };

export interface ModelDepot {
  list(): Promise<readonly StoredModel[]>;
  /** Brings a model from outside; absent where nothing may come from there. */
  pull?(
    source: string,
    options: { readonly signal: AbortSignal; readonly onProgress: (progress: PullProgress) => void },
  ): Promise<StoredModel>;
  /** Gives a model another name beside its own; absent where requests may not. @throws NotFoundError, RequestError */
  copy?(name: string, to: string): Promise<unknown>;
  /** Deletes a model's files; absent where requests may not. @throws NotFoundError */
  remove?(name: string): Promise<unknown>;
}
