/** A server as a process of its own, to be killed: storage in the directory given, its URL as the first line. */

import { openStorage } from '@steelyard/storage';
import { createServer } from '../src/server.ts';
import { providerOf } from '../src/model-provider.ts';
import { fakeModel } from './fake-model.ts';

const directory = process.argv[2]!;
const storage = await openStorage({ directory });
const server = createServer({
  models: providerOf([fakeModel()]),
  port: 0,
  chatPage: false,
  storage: () => Promise.resolve(storage),
});
console.log((await server.listen()).url);
