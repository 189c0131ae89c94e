/** `verbosity`, as chat completions and responses have it. */

import { z } from 'zod';

export const verbositySchema = z
  .enum(['low', 'medium', 'high'])
  .describe(
    'How long the answer should be: a hint in the system message. Default medium, which says nothing.',
  );
