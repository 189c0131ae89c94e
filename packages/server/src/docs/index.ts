export { groups } from './groups/index.ts';
export { fillExample, type Place } from './pages.ts';
