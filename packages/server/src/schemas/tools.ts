/** What chat completions and responses ask of tools alike. */

import { z } from 'zod';

export const toolNameSchema = z.string().regex(/^[\w-]{1,64}$/, 'expected up to 64 letters, digits, _ and -');
