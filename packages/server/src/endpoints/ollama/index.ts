/** All endpoints of Ollama's. */

import type { Endpoint } from '../../endpoint.ts';
import { ollamaChat, ollamaGenerate } from './answers.ts';
import { ollamaCopy, ollamaDelete, ollamaPull } from './depot.ts';
import { ollamaEmbed, ollamaEmbeddings } from './embeddings.ts';
import { ollamaPs, ollamaShow, ollamaTags, ollamaVersion } from './models.ts';

export const ollamaEndpoints: readonly Endpoint[] = [
  ollamaTags,
  ollamaShow,
  ollamaPs,
  ollamaVersion,
  ollamaChat,
  ollamaGenerate,
  ollamaEmbed,
  ollamaEmbeddings,
  ollamaPull,
  ollamaCopy,
  ollamaDelete,
];
