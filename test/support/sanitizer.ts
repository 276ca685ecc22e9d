/**
 * Under a sanitizer (scripts/sanitized.mjs) its library has to be in every Node process that loads the addon, and in
 * no other program: this process has it, what it starts gets it by name.
 */
const library = process.env['LD_PRELOAD'];
delete process.env['LD_PRELOAD'];

/** Variables for a Node process besides those it inherits. */
export function sanitizerEnv(): Readonly<Record<string, string>> {
  return library === undefined ? {} : { LD_PRELOAD: library };
}
