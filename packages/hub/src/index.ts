export { defaultModel, type DefaultModel } from './default-model.ts';
export { hubEndpoint } from './sources/hugging-face.ts';
export { formatSource, parseSource } from './parse-source.ts';
export type { PullOptions, PullProgress } from './pull-options.ts';
export type {
  FileSource,
  HubSource,
  PackageSource,
  RegistrySource,
  Source,
  UrlSource,
} from './pull-source.ts';
export { pull } from './pull.ts';
export { defaultStoreRoot } from './store/store-root.ts';
export { openStore } from './store/open-store.ts';
export type { Store, VerifyResult } from './store-interface.ts';
export type { StoredFile, StoredModel } from './stored-model.ts';
