import { CLIENT, type Group } from './group.ts';

export const vectorStores: Group = {
  slug: 'vector-stores',
  title: 'Vector stores',
  text:
    'Texts of files (text of any kind, HTML, PDF, DOCX), cut into pieces and found again by meaning and by words. The ' +
    'vectors are made by the first model served that makes some; each store keeps to its own. Results are ordered by ' +
    "reciprocal rank fusion, and their score is the share of the best possible rank; with the ranker 'none' they are " +
    'ordered by meaning alone, and the score is the cosine.',
  paths: ['/v1/vector_stores'],
  examples: [
    {
      title: 'Reading a file, and asking about it',
      language: 'js',
      code: `import { toFile } from 'openai';
${CLIENT}
const store = await client.vectorStores.create({ name: 'Rivers' });
await client.vectorStores.files.uploadAndPoll(
  store.id,
  await toFile(Buffer.from('The Danube flows into the Black Sea.'), 'danube.txt'),
);
const found = await client.vectorStores.search(store.id, { query: 'Where does the Danube end?' });
console.log(found.data[0].filename, found.data[0].content[0].text);`,
    },
  ],
};
