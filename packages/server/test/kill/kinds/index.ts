/** All kinds of objects that a killed server must not lose. */

import type { Kind } from '../kind.ts';
import { batches } from './batches.ts';
import { conversations } from './conversations.ts';
import { files } from './files.ts';
import { storedResponses } from './responses.ts';
import { storedChats } from './stored-chats.ts';
import { uploads } from './uploads.ts';
import { vectorStores } from './vector-stores.ts';

export const allKinds = (): readonly Kind[] => [
  files(),
  uploads(),
  batches(),
  storedResponses(),
  conversations(),
  storedChats(),
  vectorStores(),
];
