/**
 * llama.cpp behind HTTP, as node-llama-cpp's own scheduler batches it: POST /v1/completions with `prompt` and `max_tokens`
 * streams events, greedily. A peer for bench/http-streams.mjs and nothing more; llama-server has no package on npm.
 *
 *   node bench/peers/llama-cpp-http.mjs MODEL.gguf THREADS SEQUENCES CONTEXT      prints the port
 */

import { createServer } from 'node:http';
import { getLlama, LlamaCompletion, LlamaLogLevel } from 'node-llama-cpp';

const [path, threads, sequences, contextSize] = process.argv.slice(2);
const llama = await getLlama({
  build: 'never',
  gpu: false,
  maxThreads: Number(threads),
  logLevel: LlamaLogLevel.error,
});
const model = await llama.loadModel({ modelPath: path });
const context = await model.createContext({
  sequences: Number(sequences),
  contextSize: Number(contextSize),
  batchSize: 512,
  threads: Number(threads),
});
const free = Array.from({ length: Number(sequences) }, () => context.getSequence());
const waiting = [];
const take = async () => free.pop() ?? (await new Promise((resolve) => waiting.push(resolve)));
const give = (sequence) => (waiting.length > 0 ? waiting.shift()(sequence) : free.push(sequence));

async function body(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return JSON.parse(text);
}

const server = createServer(async (request, response) => {
  const { prompt, max_tokens: maxTokens } = await body(request);
  const sequence = await take();
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  let tokens = 0;
  const completion = new LlamaCompletion({ contextSequence: sequence });
  try {
    await completion.generateCompletion(prompt, {
      maxTokens,
      temperature: 0,
      onToken: (ids) => (tokens += ids.length),
      onTextChunk: (text) => response.write(`data: ${JSON.stringify({ choices: [{ text }] })}\n\n`),
    });
  } finally {
    completion.dispose({ disposeSequence: false });
    await sequence.clearHistory();
    give(sequence);
  }
  response.end(
    `data: ${JSON.stringify({ choices: [], usage: { completion_tokens: tokens } })}\n\ndata: [DONE]\n\n`,
  );
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
