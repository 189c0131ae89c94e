/** The hub's store in the vocabulary of commands. */

import type { ModelStore } from './services.ts';

export async function openRealStore(): Promise<ModelStore> {
  const hub = await import('@steelyard/hub');
  const store = hub.openStore();
  return {
    root: store.root,
    list: () => store.list(),
    find: (name) => store.find(name),
    copy: (name, to) => store.copy(name, to),
    remove: (name) => store.remove(name),
    pull: (source, options) => hub.pull(source, { ...options, store }),
    defaultModel: {
      name: hub.defaultModel.name,
      pull: (options) => hub.defaultModel.pull({ ...options, store }),
    },
  };
}
