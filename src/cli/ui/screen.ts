/** A view that is redrawn in place, on the terminal's second screen: what was there is back at the end. */
import type { Terminal } from '../context.ts';

// Without cursor and without wrapping: what is too long is cut by the terminal.
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE_END = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

export interface Screen {
  draw(text: string): void;
  /** Gives the terminal back. Idempotent. */
  close(): void;
}

export function openScreen(terminal: Terminal & { readonly rows?: number | undefined }): Screen {
  let open = true;
  terminal.write(ENTER);
  return {
    draw: (text) => {
      // Lines beyond the last would scroll the first away.
      const lines = text
        .trimEnd()
        .split('\n')
        .slice(0, (terminal.rows ?? 24) - 1);
      const body = lines.map((line) => `${line}${CLEAR_LINE_END}\n`).join('');
      terminal.write(`${HOME}${body}${CLEAR_BELOW}`);
    },
    close: () => {
      if (open) terminal.write(LEAVE);
      open = false;
    },
  };
}
