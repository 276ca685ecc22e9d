/** The `router.yaml` of a new flist: one pool, one store for all chunks. Pure. */

/**
 * Text of a router that names one store.
 *
 * @param url http or https; credentials must have been taken out: a flist is handed around
 */
export function formatRouter(url: string): string {
  // JSON strings are YAML, whatever the URL holds.
  return `pools:\n  store:\n    "00:ff": ${JSON.stringify(url)}\nlookup:\n  - store\n`;
}

/** The URL without user, password and fragment; `undefined` when it is not http or https. */
export function publicUrl(url: string): string | undefined {
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) return undefined;
  const parsed = new URL(url);
  parsed.username = '';
  parsed.password = '';
  parsed.hash = '';
  return parsed.href.replace(/\/$/, '');
}
