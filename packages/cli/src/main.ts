/** The `steelyard` command. */

import { createServices } from './real-services.ts';
import { runProcess } from './run-process.ts';

export function main(): Promise<void> {
  return runProcess(createServices());
}
