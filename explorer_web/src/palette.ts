/** Colours of numbers, which colour-blind people tell apart, on light and dark pages. */

type Rgb = [number, number, number];

/** From shut to open, and from negative over zero to positive; zero is the page's own colour. */
const SCALES: Record<"light" | "dark", { gate: Rgb[]; signed: Rgb[] }> = {
  light: {
    gate: [
      [248, 248, 244],
      [255, 238, 196],
      [255, 217, 138],
      [245, 178, 74],
      [206, 122, 30],
    ],
    signed: [
      [186, 74, 36],
      [236, 160, 122],
      [248, 249, 250],
      [142, 186, 230],
      [42, 100, 182],
    ],
  },
  dark: {
    gate: [
      [26, 31, 38],
      [84, 55, 26],
      [158, 98, 32],
      [230, 152, 52],
      [255, 226, 150],
    ],
    signed: [
      [255, 190, 150],
      [206, 98, 50],
      [24, 29, 36],
      [60, 118, 190],
      [170, 214, 255],
    ],
  },
};
/** Okabe & Ito (2008): one for each line of a chart. */
const LINES = [
  "#0072B2",
  "#E69F00",
  "#009E73",
  "#CC79A7",
  "#56B4E9",
  "#D55E00",
  "#8C6BB1",
  "#7A7A7A",
];
const SHADES = 256;

const darkness = window.matchMedia("(prefers-color-scheme: dark)");

export function whenThemeChanges(act: () => void): void {
  darkness.addEventListener("change", act);
}

export function lineColour(k: number): string {
  return LINES[k % LINES.length];
}

/** The page's own colour of that name. */
export function pageColour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export class Palette {
  private readonly shades: Uint32Array;

  constructor(
    readonly low: number,
    readonly high: number,
    kind: "gate" | "signed",
  ) {
    const scale = SCALES[darkness.matches ? "dark" : "light"][kind];
    this.shades = Uint32Array.from({ length: SHADES }, (_, k) =>
      packed(mixed(scale, k / (SHADES - 1))),
    );
  }

  /** A colour as a canvas stores it; the light's ends for what lies outside. */
  packed(value: number): number {
    const place = Math.round(((value - this.low) / (this.high - this.low)) * (SHADES - 1));
    return this.shades[place > 0 ? (place < SHADES ? place : SHADES - 1) : 0];
  }

  /** The colours of many values: of each row the columns that `order` names. */
  paint(values: Float32Array, order: number[], to: Uint32Array): void {
    const { shades, low } = this;
    const scale = (SHADES - 1) / (this.high - low);
    const count = order.length;
    const columns = Int32Array.from(order);
    for (let row = 0, k = 0; k < to.length; row += count)
      for (let c = 0; c < count; c++, k++) {
        const place = (values[row + columns[c]] - low) * scale + 0.5;
        // a missing number has no colour
        to[k] =
          place > 0 ? shades[place < SHADES ? place | 0 : SHADES - 1] : place <= 0 ? shades[0] : 0;
      }
  }

  css(value: number): string {
    const colour = this.packed(value);
    return `rgb(${colour & 255} ${(colour >> 8) & 255} ${(colour >> 16) & 255})`;
  }

  /** A black or white that can be read on the colour. */
  ink(value: number): string {
    const colour = this.packed(value);
    const light =
      0.3 * (colour & 255) + 0.59 * ((colour >> 8) & 255) + 0.11 * ((colour >> 16) & 255);
    return light > 140 ? "#12161c" : "#ffffff";
  }

  gradient(): string {
    const stops = [0, 0.25, 0.5, 0.75, 1].map((k) =>
      this.css(this.low + k * (this.high - this.low)),
    );
    return `linear-gradient(90deg, ${stops.join(", ")})`;
  }
}

function mixed(scale: Rgb[], share: number): Rgb {
  const place = share * (scale.length - 1);
  const k = Math.min(Math.floor(place), scale.length - 2);
  return scale[k].map((value, c) => value + (scale[k + 1][c] - value) * (place - k)) as Rgb;
}

function packed([r, g, b]: Rgb): number {
  return ((255 << 24) | (Math.round(b) << 16) | (Math.round(g) << 8) | Math.round(r)) >>> 0;
}
