/** A server as a process of its own, to be killed: storage in the directory given, its URL as the first line. */

import { createStubEmbeddingModel } from '@steelyard/engine/testing';
import { openStorage } from '@steelyard/storage';
import { createServer } from '../../src/server.ts';
import { providerOf } from '../../src/model-provider.ts';
import { fakeModel, pause } from '../fake-model.ts';
import { PIECES } from './answer.ts';

/** Milliseconds per token: answers take long enough to be killed within. */
const PACE_MS = 4;

const directory = process.argv[2]!;
const storage = await openStorage({ directory });
const server = createServer({
  models: providerOf([fakeModel({ pieces: PIECES, pace: pause(PACE_MS) })]),
  embeddingModels: providerOf([createStubEmbeddingModel({ name: 'vectors', dimensions: 64 })]),
  port: 0,
  chatPage: false,
  storage: () => Promise.resolve(storage),
});
console.log((await server.listen()).url);
