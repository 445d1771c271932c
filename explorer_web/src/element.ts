/** Elements of the page, made in one call. */

type Child = Node | string | number | null | undefined | false;
type Attributes = Record<string, unknown>;

function fill(element: Element, attributes: Attributes, children: Child[]): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value as EventListener);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children)
    if (child !== null && child !== undefined && child !== false)
      element.append(child instanceof Node ? child : String(child));
}

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  fill(element, attributes, children);
  return element;
}

export function draw<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  fill(element, attributes, children);
  return element;
}

/** A number as the page shows it: four decimals, or two digits where that would be zero. */
export function shown(value: number, decimals = 4): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  const small = value !== 0 && Math.abs(value) < 0.5 * 10 ** -decimals;
  const large = Math.abs(value) >= 1e5;
  const text = small || large ? value.toExponential(1) : value.toFixed(decimals);
  return text.replace(/^-/, "−").replace("e-", "e−").replace("e+", "e");
}

/** A number in its own units: five digits, and all before the point. */
export function measured(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e5 && size < 1e12) return value.toFixed(0).replace("-", "−");
  const whole = Math.max(1, Math.ceil(Math.log10(size || 1)));
  return shown(value, Math.max(0, Math.min(3, 5 - whole)));
}

/** A text as it begins a sentence. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A share in percent; near an end with a decimal, so that nearly all does not look like all. */
export function percent(share: number): string {
  const value = share * 100;
  if (value > 0 && value < 0.1) return "<0.1%";
  if (value >= 99.95 && value < 100) return ">99.9%";
  const close = (value > 0 && value < 10) || (value >= 99 && value < 100);
  return `${value.toFixed(close ? 1 : 0)}%`;
}

/** A share that may be tiny or more than the whole: in percent, beyond that as a power or a factor. */
export function portion(share: number): string {
  if (share > 0 && share < 1e-3) return share.toExponential(0).replace("e-", "e−");
  if (share < 2) return percent(share);
  return `${share < 10 ? share.toFixed(1) : share < 1e5 ? share.toFixed(0) : share.toExponential(1)}×`;
}

const BELOW = /_([\p{L}\p{N},]+)|([ₜ₀-₉₋]+)/gu;
const RAISED: Record<string, string> = { ₜ: "t", "₋": "−" };

/** A formula in plain text, with what stands below the line set below it. */
export function formula(text: string): HTMLElement {
  const element = make("span", { class: "formula" });
  let end = 0;
  for (const found of text.matchAll(BELOW)) {
    const low =
      found[1] ??
      Array.from(found[2], (sign) => RAISED[sign] ?? String("₀₁₂₃₄₅₆₇₈₉".indexOf(sign))).join("");
    element.append(text.slice(end, found.index), make("sub", {}, low));
    end = found.index + found[0].length;
  }
  element.append(text.slice(end));
  return element;
}

/** A name with what stands below it: `c_hat` and the like, and the time. */
export function symbol(name: string, time = "t"): HTMLElement {
  const [letter, ...below] = name.split("_");
  return make(
    "span",
    { class: "symbol" },
    make("i", {}, letter),
    make("sub", {}, [...below, time].filter(Boolean).join(",")),
  );
}
