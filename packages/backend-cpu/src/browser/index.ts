export { createBrowserWasmBackend, type BrowserWasmOptions } from './backend.ts';
export { hasRelaxedSimd, hasSimd } from './features.ts';
