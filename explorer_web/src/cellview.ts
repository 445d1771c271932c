/** The cell at the present step: its picture with numbers, its equations, and each worked out. */

import { draw, formula, make, shown, symbol } from "./element";
import { section } from "./section";
import { type Aspect, type Store, type View, touches } from "./store";
import { type Recurrence } from "./recurrence";
import { Walk } from "./walk";

const FITTED = 480; // a picture so wide, in pixels, is readable on a narrow screen as a whole

export class CellView implements View {
  readonly element: HTMLElement;
  private readonly picture = make("div", { class: "diagram" });
  private readonly equations = make("div", {
    class: "equations",
    role: "group",
    "aria-label": "The cell's equations",
  });
  private readonly work = make("div", { class: "worked", "aria-live": "polite" });
  private readonly dot = make("div", { class: "dot-product" });
  private value: string;
  private product: number | null = null;
  private bySize = false;

  constructor(private readonly store: Store) {
    this.value = this.first();
    this.element = section(
      "cell",
      "Inside one step",
      "The whole cell with the numbers of the chosen unit at the present step. Choose a value to work it out, then a product to see each multiplication.",
      make("p", { class: "source" }),
      this.picture,
      make(
        "p",
        { class: "small swipe", "aria-hidden": "true" },
        "Swipe the picture to see all of it.",
      ),
      make("div", { class: "columns" }, this.equations, make("div", {}, this.work, this.dot)),
    );
    this.build();
  }

  /** Work out another of the cell's values; the tour does. */
  choose(value: string): void {
    if (!(value in this.store.cell.roots)) return;
    this.value = value;
    this.product = null;
    this.draw();
  }

  update(aspects: Set<Aspect>): void {
    if (touches(aspects, "track")) {
      this.value = this.first();
      this.product = null;
      this.build();
    }
    if (touches(aspects, "run", "cursor", "unit", "track")) this.draw();
    if (touches(aspects, "run", "size", "track"))
      this.picture.classList.toggle(
        "cropped",
        this.picture.scrollWidth > this.picture.clientWidth + 1,
      );
  }

  private first(): string {
    const { cell } = this.store;
    return cell.forgetGates[0]?.gate ?? cell.gates[0] ?? cell.values[0];
  }

  private build(): void {
    const { cell } = this.store;
    this.picture.innerHTML = cell.diagram.svg; // made by the exporter from the cell's graph alone
    const svg = this.picture.querySelector("svg")!;
    svg.append(draw("g", { class: "numbers" }));
    // what is cut off a little on a narrow screen is shrunk instead
    const { width } = svg.viewBox.baseVal;
    svg.style.setProperty("--natural", `${width > FITTED ? width : 0}px`);
    this.element.querySelector(".source")!.textContent = cell.paper
      ? `${cell.title}. ${cell.paper}.`
      : `${cell.title}.`;
    this.equations.replaceChildren(
      ...cell.equations.map(([left, right], k) => {
        const name = this.nameOf(k);
        return make(
          "button",
          {
            type: "button",
            class: "equation",
            "data-value": name,
            onclick: () => name && this.choose(name),
            disabled: !name,
          },
          formula(`${left} = ${right}`),
          make("span", { class: "number" }),
        );
      }),
    );
    this.draw();
  }

  /** The value that an equation's line is of; a line of what several share has none. */
  private nameOf(line: number): string {
    const { cell } = this.store;
    return cell.lineNames[line] in cell.roots ? cell.lineNames[line] : "";
  }

  private draw(): void {
    const { store } = this;
    const recurrence = store.network.enter(store.run, store.track, store.cursor);
    this.drawNumbers(recurrence);
    const walk = new Walk(
      store.cell,
      recurrence.program,
      store.unit,
      (node) => this.openProduct(node),
      this.product,
    );
    for (const button of this.equations.querySelectorAll<HTMLElement>("button")) {
      const name = button.dataset.value!;
      button.setAttribute("aria-pressed", String(name === this.value));
      if (name) button.querySelector(".number")!.replaceChildren(...this.numberOf(name, walk));
    }
    this.drawWork(walk);
    this.drawDot(walk);
  }

  /** A value of the unit, and what it was before the reader's changes. */
  private numberOf(name: string, walk: Walk): (Node | string)[] {
    const { store } = this;
    const now = shown(walk.number(store.cell.roots[name]));
    const series = store.original.tracks[store.track].values[name];
    if (!store.comparable || series.columns <= store.unit) return [now];
    const then = shown(series.at(store.cursor, store.unit));
    return then === now ? [now] : [now, make("small", {}, ` was ${then}`)];
  }

  private drawNumbers({ program }: Recurrence): void {
    const { store } = this;
    const group = this.picture.querySelector(".numbers")!;
    const found: Element[] = [];
    for (const place of store.cell.diagram.places) {
      const node = store.cell.nodes[place.node];
      const slot = program.slots[node.slot];
      if (slot.length !== 1 && slot.length <= store.unit) continue;
      const text =
        node.operation === "input"
          ? `${slot.length} number${slot.length === 1 ? "" : "s"}`
          : shown(slot.length === 1 ? slot[0] : slot[store.unit], 2);
      const [x, y, anchor] = this.spot(place);
      const width = text.length * 7 + 8;
      const left = anchor === "start" ? x - 4 : anchor === "end" ? x - width + 4 : x - width / 2;
      const name = node.value ?? "";
      const act = name
        ? { class: "pill named", tabindex: "-1", onclick: () => this.choose(name) }
        : { class: "pill" };
      found.push(
        draw(
          "g",
          act,
          draw("rect", { x: left, y: y - 11, width, height: 15, rx: 4 }),
          draw("text", { x, y, "text-anchor": anchor, class: "value" }, text),
        ),
      );
    }
    group.replaceChildren(...found);
  }

  /** Beside the block, where wires seldom run. */
  private spot({
    kind,
    x,
    y,
    w,
    h,
  }: {
    kind: string;
    x: number;
    y: number;
    w: number;
    h: number;
  }): [number, number, string] {
    if (kind === "source") return x === 0 ? [x - 12, y + 22, "end"] : [x + 10, y + 22, "start"];
    if (kind === "sink") return [x + 12, y + 22, "start"];
    if (kind === "layer") return [x, y + h + 2, "middle"];
    return [x + w + 1, y + h + 3, "start"];
  }

  private drawWork(walk: Walk): void {
    const { store } = this;
    const root = store.cell.roots[this.value];
    const role = store.cell.roles[this.value];
    this.work.replaceChildren(
      make("h3", {}, symbol(this.value), ` of unit ${store.unit} at ${store.named(store.cursor)}`),
      make("p", { class: "small" }, role ? `${role.role}: ${role.says}.` : ""),
      ...walk.lines(root),
      make(
        "p",
        { class: "small" },
        walk.products(root).length
          ? "Press a framed number to see every multiplication in it."
          : "",
      ),
    );
  }

  private openProduct(node: number): void {
    this.product = this.product === node ? null : node;
    this.draw();
    this.dot.querySelector<HTMLElement>("h3")?.focus();
  }

  private drawDot(walk: Walk): void {
    this.dot.replaceChildren();
    if (this.product === null) return;
    const { name, weights, vector, vectorName } = walk.dotProduct(this.product);
    const terms = Array.from(weights, (weight, k) => ({
      k,
      weight,
      value: vector[k],
      product: weight * vector[k],
    }));
    const most = Math.max(...terms.map((term) => Math.abs(term.product)), 1e-12);
    if (this.bySize) terms.sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
    let sum = 0;
    const rows = terms.map((term) => {
      sum += term.product;
      const share = (50 * term.product) / most;
      return make(
        "tr",
        {},
        make("td", {}, String(term.k)),
        make("td", {}, shown(term.weight)),
        make("td", {}, shown(term.value)),
        make(
          "td",
          { class: "product-cell" },
          make("span", {
            class: term.product < 0 ? "stick negative" : "stick",
            style: `width:${Math.abs(share).toFixed(1)}%`,
          }),
          make("span", {}, shown(term.product)),
        ),
        make("td", {}, shown(sum)),
      );
    });
    const order = make(
      "button",
      {
        type: "button",
        "aria-pressed": this.bySize,
        onclick: () => ((this.bySize = !this.bySize), this.draw()),
      },
      "largest first",
    );
    this.dot.append(
      make("h3", { tabindex: "-1" }, formula(name), `: ${weights.length} multiplications`),
      order,
      make(
        "div",
        {
          class: "scroll",
          tabindex: "0",
          role: "region",
          "aria-label": `All multiplications of ${name}`,
        },
        make(
          "table",
          {},
          make(
            "thead",
            {},
            make(
              "tr",
              {},
              ...["k", "weight", vectorName, "product", "sum"].map((text) =>
                make("th", { scope: "col" }, formula(text)),
              ),
            ),
          ),
          make("tbody", {}, ...rows),
        ),
      ),
      make(
        "p",
        { class: "total" },
        "Together: ",
        make("b", { class: "number" }, shown(walk.number(this.product))),
      ),
    );
  }
}
