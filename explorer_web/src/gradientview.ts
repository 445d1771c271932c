/** How far back the gradient reaches: what a small change of each past state would do now. */

import { make, portion, symbol } from "./element";
import { drawLines } from "./lines";
import { norm } from "./matrix";
import { type Gradient } from "./network";
import { lineColour } from "./palette";
import { section } from "./section";
import { type Aspect, type Store, type View, touches } from "./store";
import { type Strip, TimePane } from "./timepane";

export class GradientView implements View {
  readonly element: HTMLElement;
  private readonly pane: TimePane;
  private readonly strip: Strip;
  private readonly words = make("p", { class: "says", "aria-live": "polite" });
  private readonly legend = make("div", { class: "legend" });

  constructor(private readonly store: Store) {
    this.pane = new TimePane(store);
    this.strip = this.pane.add(
      make("div", {}, make("b", {}, "gradient"), make("small", {}, "relative, logarithmic")),
      150,
      "Norm of the gradient by each past state, relative to the present step",
    );
    this.element = section(
      "gradient",
      "How far back the gradient reaches",
      "Each point: how much the model's answer at the present step would move if the state at that step were changed a little, everything after it computed anew. A straight fall on this logarithmic axis is a gradient that vanishes; learning cannot reach what lies below. It is derived from the equations and computed in this page, for the text and the changes as they are now.",
      this.pane.element,
      this.legend,
      this.words,
    );
  }

  update(aspects: Set<Aspect>): void {
    if (touches(aspects, "gradient", "run", "window", "size", "track", "cursor")) this.draw();
  }

  /** The norm of the gradient by a state at every step, as a share of that at the target's step. */
  static byStep(gradient: Gradient, track: number, state: string): Float64Array {
    const series = gradient.tracks[track].states[state];
    const found = Float64Array.from({ length: series.rows }, (_, t) => norm(series.row(t)));
    const here = found[gradient.target.step];
    return here ? found.map((value) => value / here) : found;
  }

  private draw(): void {
    const { store, pane } = this;
    pane.drawAxis();
    pane.placeCursor();
    const { gradient, originalGradient } = store;
    if (
      !gradient ||
      gradient.target.step !== store.cursor ||
      gradient.tracks[store.track].input.rows !== store.T
    )
      return;
    const { states } = store.cell;
    const now = states.map((state) => GradientView.byStep(gradient, store.track, state));
    const before =
      store.comparable && originalGradient
        ? states.map((state) => GradientView.byStep(originalGradient, store.track, state))
        : [];
    const shownValue = (values: Float64Array) => (t: number) => values[t] || NaN;
    drawLines(
      pane,
      this.strip,
      store,
      [
        ...before.map((values) => ({ value: shownValue(values), colour: "", ghost: true })),
        ...now.map((values, k) => ({ value: shownValue(values), colour: lineColour(k) })),
      ],
      this.scale([...now, ...before]),
    );
    this.legend.replaceChildren(
      ...states.map((state, k) =>
        make(
          "span",
          {},
          make("i", { style: `background:${lineColour(k)}` }),
          "‖∂/∂",
          symbol(state),
          "‖",
        ),
      ),
      before.length
        ? make(
            "span",
            {},
            make("i", { class: "ghost" }),
            `original, of ${GradientView.question(store, originalGradient)}`,
          )
        : "",
    );
    this.tell(now);
  }

  private scale(all: Float64Array[]): { low: number; high: number; logarithmic: true } {
    let [low, high] = [1, 1];
    for (const values of all)
      for (const value of values) {
        if (value > 0) low = Math.min(low, value);
        high = Math.max(high, value);
      }
    return {
      low: Math.max(low, 1e-12) * 0.7,
      high: Math.max(high, low * 10) * 1.4,
      logarithmic: true,
    };
  }

  /** What is asked about, in words. */
  static question(store: Store, gradient = store.gradient): string {
    const label = gradient?.target.label ?? null;
    if (label === null) return "the squared length of the output";
    const what = store.scoreLabel(label);
    if (store.document.output.kind !== "values") return `log p(${what})`;
    return store.network.forecast ? `the forecast for ${what}` : what;
  }

  private tell(now: Float64Array[]): void {
    const { store } = this;
    const { reverse } = store.network.tracks[store.track].document;
    const far = reverse ? store.T - 1 : 0;
    const away = Math.abs(far - store.cursor);
    const sizes = (step: number) =>
      store.cell.states.map((state, k) => `${portion(now[k][step])} by ${state}`).join(" and ");
    const next = store.cursor + (reverse ? 1 : -1);
    this.words.textContent =
      `Asked about: ${GradientView.question(store)}. ` +
      (away
        ? `Compared with ${store.named(store.cursor)}, the gradient one step away is ${sizes(next)}` +
          (away > 1 ? `; ${away} steps away, at ${store.named(far)}, ${sizes(far)}.` : ".")
        : "There is no earlier step.") +
      (away && store.network.head.readsEveryStep
        ? " This model's answer is made from the outputs of all steps: the line says how much each step matters, not how far the recurrence reaches."
        : "");
  }
}
