export { mayWait, readHead, readRangeNow, type RangeRead } from './read-range.ts';
