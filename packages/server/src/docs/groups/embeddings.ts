import { CLIENT, curl, type Group } from './group.ts';

export const embeddings: Group = {
  slug: 'embeddings',
  title: 'Embeddings and reranking',
  text: 'Vectors of texts by an embedding model, and documents in the order of their relevance to a query.',
  paths: ['/v1/embeddings', '/v1/rerank'],
  examples: [
    {
      title: 'Vectors of two texts',
      language: 'js',
      code: `${CLIENT}
const { data } = await client.embeddings.create({
  model: 'EMBEDDING_MODEL',
  input: ['a river in Europe', 'the Danube'],
});
const dot = data[0].embedding.reduce((sum, x, i) => sum + x * data[1].embedding[i], 0);
console.log(dot);`,
    },
    {
      title: 'Reranking',
      language: 'sh',
      code: curl('/v1/rerank', {
        model: 'EMBEDDING_MODEL',
        query: 'capital of France',
        documents: ['Paris is the seat of the French government.', 'The Rhine flows north.'],
      }),
    },
  ],
};
