/**
 * HTML as tagged templates: what is put into a template is text and is escaped, unless it came out of a template
 * itself. Attributes stand in double quotes, always. Pure.
 */
import { escapeHtml } from '../html.ts';

/** Markup that is safe to send. */
export class Html {
  readonly text: string;

  private constructor(text: string) {
    this.text = text;
  }

  /** @param text markup by a renderer that escapes on its own */
  static trusted(text: string): Html {
    return new Html(text);
  }

  toString(): string {
    return this.text;
  }
}

export type Part = Html | string | number | undefined | null | false | readonly Part[];

export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  let text = strings[0] as string;
  for (let i = 0; i < parts.length; i++) text += textOf(parts[i]) + strings[i + 1];
  return Html.trusted(text);
}

/** A path of the hub; segments are encoded. Without any: `/`. */
export function href(
  segments: readonly string[],
  query: Readonly<Record<string, string>> = {},
): string {
  // `.` and `..` are no names here; encoded they would still be taken for folders.
  const path = `/${segments.map(encodeURIComponent).join('/')}`;
  const search = new URLSearchParams(query).toString();
  return search === '' ? path : `${path}?${search}`;
}

function textOf(part: Part): string {
  if (part === undefined || part === null || part === false) return '';
  if (part instanceof Html) return part.text;
  if (Array.isArray(part)) return part.map(textOf).join('');
  return escapeHtml(String(part));
}
