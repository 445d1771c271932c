/** A report on a layer for this input: what is unusual, what it means, what to try. */

import { make, percent, portion } from "./element";
import { GradientView } from "./gradientview";
import { type Matrix } from "./matrix";
import { section } from "./section";
import { timescales } from "./sorting";
import { type Aspect, type Store, type View, touches } from "./store";

const [SHUT, OPEN] = [0.1, 0.9]; // Karpathy, Johnson & Fei-Fei (2015): beyond these a gate is saturated
const DEAD = 0.02; // an output that never leaves this range says nothing to what reads it

interface Finding {
  level: "good" | "notice" | "unusual";
  text: string;
  advice?: string;
}

export class Health implements View {
  readonly element: HTMLElement;
  private readonly bars = make("div", { class: "saturation" });
  private readonly list = make("ul", { class: "findings" });

  constructor(private readonly store: Store) {
    this.element = section(
      "health",
      "Health report",
      "Measured on this input alone, so it is a hint, not a verdict; each line says what to try.",
      this.bars,
      this.list,
    );
    this.draw();
  }

  update(aspects: Set<Aspect>): void {
    if (touches(aspects, "run", "track", "gradient")) this.draw();
  }

  private draw(): void {
    this.bars.replaceChildren(...this.saturation());
    const findings = [
      ...this.changed(),
      ...this.gates(),
      ...this.units(),
      ...this.memory(),
      ...this.gradient(),
      ...this.truth(),
    ];
    this.list.replaceChildren(
      ...findings.map(({ level, text, advice }) =>
        make(
          "li",
          { class: level },
          make("b", {}, { good: "Good", notice: "Notice", unusual: "Unusual" }[level]),
          ` ${text}`,
          // what the reader holds is no fault of the model's
          advice && !this.store.changes.length
            ? make("span", { class: "advice" }, ` ${advice}`)
            : null,
        ),
      ),
    );
  }

  /** For each gate the shares of values that are shut, between, and open. */
  private shares(name: string): [number, number] {
    const { data } = this.store.run.tracks[this.store.track].values[name];
    let [shut, open] = [0, 0];
    for (const value of data) {
      if (value < SHUT) shut++;
      else if (value > OPEN) open++;
    }
    return [shut / data.length, open / data.length];
  }

  private saturation(): Node[] {
    return this.store.cell.sigmoids
      .map((name) => {
        const [shut, open] = this.shares(name);
        const part = (kind: string, share: number) =>
          make(
            "span",
            { class: kind, style: `flex-grow:${share.toFixed(4)}` },
            share > 0.12 ? percent(share) : "",
          );
        return make(
          "div",
          {
            class: "saturation-row",
            role: "img",
            "aria-label": `${name}: ${percent(shut)} shut, ${percent(open)} open`,
          },
          make("i", {}, name),
          make(
            "span",
            { class: "saturation-bar" },
            part("shut", shut),
            part("between", 1 - shut - open),
            part("open", open),
          ),
        );
      })
      .concat(
        this.store.cell.sigmoids.length
          ? [
              make(
                "p",
                { class: "small" },
                "Share of all units and steps at which a gate is ",
                make("i", { class: "swatch shut" }),
                ` shut (below ${SHUT}), `,
                make("i", { class: "swatch between" }),
                " between, ",
                make("i", { class: "swatch open" }),
                ` open (above ${OPEN}).`,
              ),
            ]
          : [],
      );
  }

  private changed(): Finding[] {
    if (!this.store.isChanged) return [];
    const held = this.store.changes.length ? "; it gives advice on the original model alone" : "";
    const text = `This is the report of the model and input as you changed them${held}.`;
    return [{ level: "notice", text }];
  }

  private gates(): Finding[] {
    const { store } = this;
    const isHeld = (name: string) =>
      store.changes.some(
        ({ track, value, units }) => track === store.track && value === name && !units,
      );
    const stuck = store.cell.sigmoids.filter(
      (name) => !isHeld(name) && this.shares(name).some((share) => share > 0.8),
    );
    return stuck.map((name) => {
      const [shut] = this.shares(name);
      return {
        level: "unusual",
        text: `${name} is ${shut > 0.8 ? "shut" : "open"} nearly everywhere: it hardly decides anything.`,
        advice: "Try the cell's variant without it, or another initial bias.",
      };
    });
  }

  private units(): Finding[] {
    const { output } = this.store.run.tracks[this.store.track];
    const dead = Array.from({ length: output.columns }, (_, k) => k).filter(
      (k) => highest(output, k) < DEAD,
    );
    if (!dead.length) return [{ level: "good", text: "Every unit says something on this input." }];
    const named = dead.length > 8 ? `${dead.slice(0, 8).join(", ")} and others` : dead.join(", ");
    return [
      {
        level: dead.length > output.columns / 4 ? "unusual" : "notice",
        text: `${dead.length} of ${output.columns} units stay within ±${DEAD} (${named}).`,
        advice:
          "Look at other inputs before calling them dead; if they stay silent, fewer units will do.",
      },
    ];
  }

  private memory(): Finding[] {
    const { store } = this;
    if (!store.cell.memory.length) return [];
    const size = store.network.tracks[store.track].size;
    const steps = timescales(store.cell.memory, store.run.tracks[store.track], size);
    const long = steps.filter((value) => value >= store.T).length;
    const sorted = Float64Array.from(steps).sort();
    const median = sorted[Math.floor(size / 2)];
    const text = `Half of the units keep a value ${lasting(median)}; ${long || "none"} of ${size} for longer than this input.`;
    if (long) return [{ level: "good", text }];
    return [
      {
        level: "notice",
        text,
        advice: this.forgetBias()
          ? "If the task needs longer memory, train with forget_bias=1 or more, or chrono=(longest dependency)."
          : "If the task needs longer memory, try a cell whose forget gate has a bias.",
      },
    ];
  }

  /** Whether a forget gate has a bias, which training can begin with. */
  private forgetBias(): boolean {
    return this.store.cell.forgetGates.some(({ bias }) => bias);
  }

  private gradient(): Finding[] {
    const { store } = this;
    const { gradient } = store;
    if (
      !gradient ||
      store.network.head.readsEveryStep || // the last step is then no measure of the others
      store.cursor < 4 ||
      gradient.target.step !== store.cursor ||
      gradient.tracks[store.track].input.rows !== store.T
    )
      return [];
    if (store.network.tracks[store.track].document.reverse) return [];
    const best = Math.max(
      ...store.cell.states.map((state) => GradientView.byStep(gradient, store.track, state)[0]),
    );
    const away = `${portion(best)} of the gradient at ${store.named(store.cursor)} arrives ${store.cursor} steps earlier`;
    if (best > 50)
      return [
        {
          level: "unusual",
          text: `The gradient grows ${best.toFixed(0)}-fold over ${store.cursor} steps back: it explodes.`,
          advice: "Clip the gradient's norm when training, or lower the learning rate.",
        },
      ];
    if (best < 1e-3)
      return [
        {
          level: "notice",
          text: `${away}: it vanishes.`,
          advice: this.forgetBias()
            ? "A forget bias of 1 or more, or a shorter path to what matters helps."
            : "A cell with a forget gate, or a shorter path to what matters helps.",
        },
      ];
    if (best >= 2)
      return [
        {
          level: "good",
          text: `The gradient ${store.cursor} steps before ${store.named(store.cursor)} is ${portion(best)} as large as there: it reaches back.`,
        },
      ];
    return [{ level: "good", text: `${away}.` }];
  }

  private truth(): Finding[] {
    const off = this.store.network.difference(this.store.original);
    const text = `This page computed the model anew; its numbers differ from torch's by at most ${off.toExponential(1).replace("-", "−")}.`;
    return [
      off < 1e-4
        ? { level: "good", text }
        : { level: "unusual", text, advice: "More than rounding: please report it." },
    ];
  }
}

/** How long a value is kept, of a timescale in steps. */
function lasting(steps: number): string {
  if (!Number.isFinite(steps)) return "for good";
  if (steps < 0.1) return "for less than a tenth of a step";
  return `for ${steps.toFixed(steps < 10 ? 1 : 0)} steps or more`;
}

function highest(series: Matrix, unit: number): number {
  let most = 0;
  for (let t = 0; t < series.rows; t++) most = Math.max(most, Math.abs(series.at(t, unit)));
  return most;
}
