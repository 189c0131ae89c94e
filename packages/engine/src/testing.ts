export { createStubModel, type StubOptions } from './stub-model.ts';
