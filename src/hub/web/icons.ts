/** Icons, drawn into the page: no request, and the colour of the text beside them. Pure. */
import { Html } from './html.ts';

const PATHS = {
  // Blocks of which some are there already.
  mark: '<path d="M2 2h5v5H2zM9 9h5v5H9z" fill="currentColor" stroke="none"/><path d="M9.5 2.5h4v4h-4zM2.5 9.5h4v4h-4z"/>',
  folder: '<path d="M1.5 3.5h4.5l1.5 2h7v7.5h-13z"/>',
  file: '<path d="M3.5 1.5h6l3 3v10h-9zM9.5 1.5v3h3"/>',
  link: '<path d="M6 10l4-4M7 4.5l1.5-1.5a3 3 0 0 1 4.5 4.500L11.500 9M9 11.500L7.500 13A3 3 0 0 1 3 8.500L4.500 7"/>',
  tag: '<path d="M1.500 2.500h6l7 7-5 5-7-7zM4.500 5.500h.1"/>',
  lock: '<path d="M3.500 7.500h9v7h-9zM5.500 7.500v-3a2.500 2.500 0 0 1 5 0v3"/>',
  special: '<path d="M8 2v12M2.800 5l10.400 6M13.200 5L2.800 11"/>',
  flist: '<path d="M2.500 2.500h11v3h-11zM2.500 6.500h11v3h-11zM2.500 10.500h11v3h-11z"/>',
} as const;

export type Icon = keyof typeof PATHS;

export function icon(name: Icon): Html {
  return Html.trusted(
    `<svg class="icon icon-${name}" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="1.3">${PATHS[name]}</svg>`,
  );
}
