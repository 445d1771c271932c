/** The memory ledger: when what the memory holds was written, and how much of it survives. */

import { capital, make, percent, shown, symbol } from "./element";
import { type Ledger, errorOf, shares } from "./ledger";
import { drawLines } from "./lines";
import { type Matrix, largest } from "./matrix";
import { lineColour, pageColour } from "./palette";
import { choice, section } from "./section";
import { type Aspect, type Store, type View, touches } from "./store";
import { type Strip, TimePane } from "./timepane";

const LISTED = 6;

export class LedgerView implements View {
  readonly element: HTMLElement;
  private readonly pane: TimePane;
  private readonly bars: Strip;
  private readonly survival: Strip;
  private readonly words = make("p", { class: "says", "aria-live": "polite" });
  private readonly table = make("div", { class: "ledger-table" });
  private readonly refusal = make("p", { class: "refusal", hidden: true });
  private readonly body: HTMLElement;
  private scope: "unit" | "all" = "unit";
  private readonly scopes;

  constructor(private readonly store: Store) {
    this.pane = new TimePane(store);
    this.bars = this.pane.add(
      make("div", {}, make("b", {}, "written"), make("small", {}, "what is left of it now")),
      120,
      "What is left at the present step of what each step wrote",
    );
    this.survival = this.pane.add(
      make("div", {}, make("b", {}, "survives"), make("small", {}, "share still there")),
      70,
      "Share of what each step wrote that survives to the present step",
    );
    for (const strip of [this.bars, this.survival])
      strip.canvas.addEventListener("pointerdown", (event) => this.choose(event), {
        capture: true,
      });
    this.scopes = choice<"unit" | "all">(
      "Memory of",
      [
        ["unit", "the chosen unit"],
        ["all", "all units"],
      ],
      () => this.scope,
      (value) => ((this.scope = value), this.scopes.refresh(), this.draw()),
    );
    const follow = (by: number, label: string, sign: string) =>
      make("button", { type: "button", "aria-label": label, onclick: () => this.follow(by) }, sign);
    const writer = make(
      "div",
      { class: "choice", role: "group", "aria-label": "The step that wrote" },
      make("span", { class: "choice-label" }, "Written at"),
      follow(-1, "What the step before wrote", "‹"),
      follow(1, "What the next step wrote", "›"),
    );
    this.body = make(
      "div",
      {},
      make("div", { class: "toolbar" }, this.scopes.element, writer),
      this.pane.element,
      this.words,
      this.table,
    );
    this.element = section(
      "memory",
      "The memory ledger",
      "The memory is a sum: each step keeps a share of it and adds something new. So what it holds now can be taken apart, exactly, by the step that wrote it. Choose a bar to follow what that step wrote. It tells when a value was written, not why.",
      this.refusal,
      this.body,
    );
  }

  update(aspects: Set<Aspect>): void {
    if (touches(aspects, "run", "cursor", "unit", "track", "window", "size", "source", "gradient"))
      this.draw();
  }

  private choose(event: PointerEvent): void {
    event.stopImmediatePropagation(); // the present step stays; a bar chooses the step that wrote
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const t = this.pane.stepAt(event.clientX - box.left);
    this.store.set("source", t === this.store.source ? null : t);
  }

  /** The same without a mouse: from bar to bar. */
  private follow(by: number): void {
    const { store } = this;
    const ledger = store.ledger();
    if (!ledger) return;
    store.set("source", Math.max(0, Math.min(store.T - 1, this.sourceOf(ledger) + by)));
  }

  private draw(): void {
    const { store } = this;
    const ledger = store.ledger();
    this.refusal.hidden = !!ledger;
    this.body.hidden = !ledger;
    if (!ledger) {
      const reasons = Object.values(store.cell.noMemory).join(" ");
      this.refusal.textContent = `This cell has no ledger: ${reasons} Nothing of an old value stays by itself, so there is nothing to take apart. The gradient below shows what reaches back instead.`;
      return;
    }
    if (store.unit >= ledger.left.columns) return;
    const before = store.comparable ? store.ledger(store.original) : null;
    this.drawBars(ledger, before);
    this.drawSurvival(ledger, before);
    this.pane.drawAxis();
    this.pane.placeCursor();
    this.tell(ledger);
  }

  private sourceOf(ledger: Ledger): number {
    const { store } = this;
    if (store.source !== null && store.source < store.T) return store.source;
    const weights =
      this.scope === "all" ? shares(ledger) : column(ledger.left, store.unit).map(Math.abs);
    return largest(weights, 1)[0];
  }

  /** What each step's bar shows: what is left in the unit, or its share of all units' memory. */
  private valuesOf(ledger: Ledger): Float64Array {
    return this.scope === "all" ? shares(ledger) : column(ledger.left, this.store.unit);
  }

  private drawBars(ledger: Ledger, before: Ledger | null): void {
    const { store, pane, bars } = this;
    const values = this.valuesOf(ledger);
    const original = before ? this.valuesOf(before) : null;
    const context = pane.begin(bars);
    const both = [...values, ...(original ?? [])];
    const highest = both.reduce((most, value) => Math.max(most, value), 0);
    const lowest = both.reduce((least, value) => Math.min(least, value), 0);
    const scale = (bars.height - 22) / (highest - lowest || 1);
    const zero = 11 + highest * scale;
    const source = this.sourceOf(ledger);
    const [accent, negative, positive, faint, ink] = [
      "accent",
      "negative",
      "positive",
      "faint",
      "ink",
    ].map(pageColour);
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "center";
    context.strokeStyle = faint;
    context.setLineDash([3, 2]);
    for (let t = store.from; t < store.to; t++) {
      const gap = Math.min(6, pane.columnWidth * 0.15);
      const [left, width] = [pane.x(t) + gap, Math.max(1, pane.columnWidth - 2 * gap)];
      const height = values[t] * scale;
      context.fillStyle = t === source ? accent : values[t] < 0 ? negative : positive;
      context.fillRect(left, zero - Math.max(height, 0), width, Math.max(1, Math.abs(height)));
      if (original) {
        const was = original[t] * scale;
        context.strokeRect(left, zero - Math.max(was, 0), width, Math.abs(was));
      }
      if (pane.columnWidth < 38 || Math.abs(values[t]) < 0.03 * (highest - lowest)) continue;
      context.fillStyle = ink;
      const text = this.scope === "all" ? percent(values[t]) : shown(values[t], 2);
      context.fillText(text, left + width / 2, zero - height + (values[t] < 0 ? 11 : -3));
    }
    context.setLineDash([]);
    context.fillStyle = pageColour("muted");
    context.fillRect(0, zero, pane.width, 1);
  }

  private drawSurvival(ledger: Ledger, before: Ledger | null): void {
    const share = (of: Ledger) => (t: number) => {
      const row = of.survival.row(t);
      if (!row.some((value) => value !== 0)) return NaN;
      if (this.scope === "unit") return row[this.store.unit];
      return row.reduce((sum, value) => sum + value, 0) / row.length;
    };
    const ghost = before ? [{ value: share(before), colour: "", ghost: true }] : [];
    const lines = [...ghost, { value: share(ledger), colour: lineColour(0) }];
    drawLines(this.pane, this.survival, this.store, lines, { low: 0, high: 1 });
  }

  private tell(ledger: Ledger): void {
    const { store } = this;
    const state = store.memory!;
    const source = this.sourceOf(ledger);
    const later =
      source > store.cursor !== store.network.tracks[store.track].document.reverse &&
      source !== store.cursor;
    const row = ledger.left.row(source);
    const run = store.run.tracks[store.track];
    const { unit } = store;
    if (later) {
      this.words.replaceChildren(
        `${capital(store.named(source))} comes after the present step: it has written nothing yet.`,
      );
      this.table.replaceChildren();
      return;
    }
    if (this.scope === "all")
      this.words.replaceChildren(
        `Of all that the memory holds at ${store.named(store.cursor)}, ${percent(shares(ledger)[source])} was written by ${store.named(source)}. The ledger adds up to the state within ${errorOf(ledger).toExponential(0)}.`,
      );
    else
      this.words.replaceChildren(
        `${capital(store.named(source))} wrote ${shown(run.written[state].at(source, unit))} into unit ${unit}; `,
        `${percent(ledger.survival.at(source, unit))} of it is still there at ${store.named(store.cursor)}: `,
        `${shown(row[unit])} of `,
        symbol(state),
        ` = ${shown(ledger.value[unit])}.`,
      );
    const units = largest(row.map(Math.abs), LISTED);
    this.table.replaceChildren(
      make("h3", {}, `Units that hold most of what ${store.named(source)} wrote`),
      make(
        "div",
        { class: "scroll short" },
        make(
          "table",
          {},
          make(
            "thead",
            {},
            make(
              "tr",
              {},
              ...["unit", "written", "survives", "left", `${state} now`].map((text) =>
                make("th", { scope: "col" }, text),
              ),
            ),
          ),
          make(
            "tbody",
            {},
            ...units.map((k) =>
              make(
                "tr",
                { class: k === unit ? "chosen" : "" },
                make(
                  "td",
                  {},
                  make(
                    "button",
                    { type: "button", class: "link", onclick: () => store.setUnit(k) },
                    `unit ${k}`,
                  ),
                ),
                make("td", {}, shown(run.written[state].at(source, k))),
                make("td", {}, percent(ledger.survival.at(source, k))),
                make("td", {}, shown(row[k])),
                make("td", {}, shown(ledger.value[k])),
              ),
            ),
          ),
        ),
      ),
    );
  }
}

function column(matrix: Matrix, k: number): Float64Array {
  return Float64Array.from({ length: matrix.rows }, (_, t) => matrix.at(t, k));
}
