/** The shape of the file with logins. Pure. */
import { z } from 'zod';

const loginEntry = z.object({
  user: z.string().max(200),
  /** Where the token is: here, or with a helper of this name. */
  token: z
    .string()
    .max(16 * 1024)
    .optional(),
  helper: z.string().max(64).optional(),
  /** The token was made at login, and goes when that ends. */
  isMade: z.boolean().optional(),
});

export const loginFile = z.object({ logins: z.record(z.string(), loginEntry) });

/** Logins by the base URL of their hub. */
export type LoginEntries = Readonly<z.infer<typeof loginFile>['logins']>;
