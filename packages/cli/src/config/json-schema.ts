/** The settings as JSON Schema, for editors and for the values of the Helm chart. */

import { z } from 'zod';
import { configSchema } from './schema.ts';

/** Of draft 7, which Helm and most editors know. */
export function configJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(configSchema, { io: 'input', target: 'draft-7', unrepresentable: 'any' });
}
