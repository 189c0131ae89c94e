/** Path of the default model, pulled when it is not in the store. */

import { defaultModel, openStore } from '../packages/hub/dist/index.js';

export async function defaultModelPath() {
  const store = openStore();
  const stored = (await store.find(defaultModel.name)) ?? (await defaultModel.pull({ store }));
  return stored.path;
}
