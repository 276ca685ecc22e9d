/** Line graphs as small SVG files: panels below each other over one axis of time. */

export interface Line {
  readonly name: string;
  readonly values: readonly number[];
}

export interface Panel {
  /** What the values are, with their unit. */
  readonly label: string;
  readonly lines: readonly Line[];
}

const WIDTH = 760;
const PANEL_HEIGHT = 170;
const LEFT = 60;
const RIGHT = 20;
const TOP = 40;
const GAP = 48;
/** More points than this say nothing at this width. */
const POINTS_MAX = 180;
const COLORS = ['#1f77b4', '#d62728', '#2ca02c', '#9467bd', '#ff7f0e'];

/**
 * @param minutes that the values of every line span, at equal distances
 * @returns the text of an SVG file
 */
export function graph(title: string, minutes: number, panels: readonly Panel[]): string {
  const height = TOP + panels.length * (PANEL_HEIGHT + GAP);
  const parts = panels.map((panel, index) =>
    panelOf(panel, TOP + index * (PANEL_HEIGHT + GAP), minutes),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="11">
<title>${escaped(title)}</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="${LEFT}" y="18" font-size="14">${escaped(title)}</text>
${parts.join('\n')}
</svg>
`;
}

function panelOf({ label, lines }: Panel, top: number, minutes: number): string {
  const max = niceMax(Math.max(...lines.flatMap(({ values }) => values)));
  const width = WIDTH - LEFT - RIGHT;
  const bottom = top + PANEL_HEIGHT;
  const y = (value: number): number => bottom - (value / max) * PANEL_HEIGHT;
  const x = (share: number): number => LEFT + share * width;
  const out: string[] = [];
  for (let step = 0; step <= 4; step++) {
    const value = (max * step) / 4;
    out.push(
      `<path d="M${LEFT} ${round(y(value))}h${width}" stroke="#ddd"/>`,
      `<text x="${LEFT - 6}" y="${round(y(value) + 4)}" text-anchor="end">${number(value)}</text>`,
    );
  }
  for (let step = 0; step <= 6; step++) {
    const at = round(x(step / 6));
    const text = number((minutes * step) / 6);
    out.push(`<text x="${at}" y="${bottom + 15}" text-anchor="middle">${text}</text>`);
  }
  out.push(
    `<text x="${WIDTH - RIGHT}" y="${bottom + 29}" text-anchor="end">minutes</text>`,
    `<text x="${LEFT}" y="${top - 8}">${escaped(label)}</text>`,
  );
  for (const [index, { name, values }] of lines.entries()) {
    const color = COLORS[index % COLORS.length];
    const points = thinned(values)
      .map((value, at, all) => `${round(x(at / Math.max(1, all.length - 1)))},${round(y(value))}`)
      .join(' ');
    out.push(
      `<polyline points="${points}" fill="none" stroke="${color}" stroke-width="1.3"/>`,
      `<text x="${LEFT + 180 + index * 130}" y="${top - 8}" fill="${color}">${escaped(name)}</text>`,
    );
  }
  return out.join('\n');
}

/** The highest value of each of at most {@link POINTS_MAX} spans: a peak must not get lost. */
function thinned(values: readonly number[]): number[] {
  if (values.length <= POINTS_MAX) return [...values];
  return Array.from({ length: POINTS_MAX }, (_, index) => {
    const from = Math.floor((index * values.length) / POINTS_MAX);
    const to = Math.floor(((index + 1) * values.length) / POINTS_MAX);
    return Math.max(...values.slice(from, to));
  });
}

/** The next of 1, 2, 4, 6, 8 times a power of ten. */
function niceMax(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 4, 6, 8, 10].find((candidate) => candidate * power >= value) ?? 10;
  return factor * power;
}

const round = (value: number): string => String(Math.round(value * 10) / 10);
const number = (value: number): string => String(Math.round(value * 100) / 100);
const escaped = (text: string): string => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
