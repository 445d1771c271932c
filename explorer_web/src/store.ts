/** What the reader looks at and has changed, and the runs that follow from it. */

import { type Change, sameChanges } from "./change";
import { type Cell, type PageDocument } from "./document";
import { type Ledger, account, weightiest } from "./ledger";
import { Matrix, largest } from "./matrix";
import {
  type Gradient,
  type Input,
  Network,
  type Run,
  type Target,
  lengthOf,
  matrixOf,
} from "./network";
import { probabilities } from "./outcome";
import { Pace, Stopped } from "./pace";
import { Tokenizer, visible } from "./tokenizer";

export type Sort = "number" | "timescale" | "cluster" | "contribution";
export type Shown = "now" | "original" | "difference";
/** What has become different: views redraw what depends on it. */
export type Aspect =
  | "run"
  | "cursor"
  | "unit"
  | "track"
  | "sort"
  | "shown"
  | "window"
  | "gradient"
  | "size"
  | "source"
  | "asked";

export interface View {
  readonly element: HTMLElement;
  update(aspects: Set<Aspect>): void;
}

export class Store {
  readonly network: Network;
  readonly tokenizer: Tokenizer | null;
  readonly originalInput: Input;
  input: Input;
  changes: Change[] = [];
  original!: Run;
  changed: Run | null = null;
  gradient: Gradient | null = null;
  originalGradient: Gradient | null = null;
  cursor = 0;
  unit = 0;
  track = 0;
  /** Of several numbers that the model says, the one that is asked about. */
  asked = 0;
  /** The step whose writing the ledger follows; null for the one that weighs most. */
  source: number | null = null;
  sort: Sort = "timescale";
  shown: Shown = "now";
  from = 0;
  to = 0;
  private readonly views: View[] = [];
  private pending = new Set<Aspect>();
  private frame = 0;
  private pace: Pace | null = null;
  private gradientPace: Pace | null = null;
  private working: Promise<void> = Promise.resolve();
  /** Told how far long work has come; 1 when it is done. */
  progress: (share: number) => void = () => {};

  constructor(readonly document: PageDocument) {
    this.network = new Network(document);
    this.tokenizer = document.tokenizer ? new Tokenizer(document.tokenizer) : null;
    const { tokens, numbers } = document.input;
    this.originalInput = { tokens: tokens ?? null, numbers: numbers ? matrixOf(numbers) : null };
    this.input = this.originalInput;
    this.track = this.network.tracks.length - 1;
    while (this.network.tracks[this.track].document.reverse) this.track--;
  }

  async begin(): Promise<void> {
    this.original = await this.network.run(this.originalInput, [], new Pace(this.progress));
    this.cursor = this.T - 1;
    [this.from, this.to] = [0, this.T];
    await this.differentiate();
    this.unit = this.weightiest().unit;
    this.progress(1);
  }

  add(view: View): void {
    this.views.push(view);
  }

  // -- what is shown

  get run(): Run {
    return this.changed ?? this.original;
  }

  get T(): number {
    return this.run.T;
  }

  get cell(): Cell {
    return this.network.cellOf(this.track);
  }

  get isChanged(): boolean {
    return this.changed !== null;
  }

  /** Whether original and changed steps stand for each other. */
  get comparable(): boolean {
    return this.changed !== null && this.changed.T === this.original.T;
  }

  label(t: number, run = this.run): string {
    const { tokens } = run.input;
    if (tokens) return visible(this.tokenizer!.tokens[tokens[t]]);
    return this.document.input.labels?.[t] ?? `step ${t}`;
  }

  /** A step as it stands in a sentence. */
  named(t: number): string {
    if (this.run.input.tokens) return `“${this.label(t)}” (step ${t})`;
    const { segment = 1 } = this.network.forecast?.decoder ?? {};
    return segment > 1 ? `the ${segment} steps from ${this.label(t)}` : this.label(t);
  }

  labels(): string[] {
    return Array.from({ length: this.T }, (_, t) => this.label(t));
  }

  scoreLabel(k: number): string {
    const { output } = this.document;
    return output.kind === "next"
      ? visible(this.tokenizer!.tokens[k])
      : (output.labels[k] ?? `${k}`);
  }

  /** An output as it stands in a sentence. */
  said(k: number): string {
    return `“${this.scoreLabel(k)}”`;
  }

  /** Whether an output is what really comes after the cursor. */
  follows(k: number): boolean {
    const { tokens, numbers } = this.run.input;
    const { kind } = this.document.output;
    if (kind === "next") return tokens?.[this.cursor + 1] === k;
    if (kind !== "keys" || this.cursor + 1 >= this.T) return false;
    return numbers!.at(this.cursor + 1, k) > 0;
  }

  /** A named value of the track at every step: as it is, as it was, or the difference. */
  series(name: string, shown: Shown = this.shown): Matrix {
    const now = this.run.tracks[this.track].values[name];
    if (shown === "now" || !this.changed) return now;
    const before = this.original.tracks[this.track].values[name];
    if (shown === "original") return before;
    if (!this.comparable) return now;
    return new Matrix(
      now.rows,
      now.columns,
      now.data.map((value, k) => value - before.data[k]),
    );
  }

  /** The scores' probabilities after a step, or the scores where they are none. */
  prediction(t: number, run = this.run): ArrayLike<number> {
    return probabilities(this.document.output.kind, this.network.scores(run, t));
  }

  // -- what the reader does

  setCursor(t: number): void {
    const wanted = Math.max(0, Math.min(this.T - 1, t));
    if (wanted === this.cursor) return;
    this.cursor = wanted;
    if (wanted < this.from || wanted >= this.to) this.zoom(this.to - this.from);
    this.mark("cursor");
    void this.differentiate();
  }

  setUnit(unit: number): void {
    const size = this.network.tracks[this.track].size;
    const wanted = Math.max(0, Math.min(size - 1, unit));
    if (wanted === this.unit) return;
    this.unit = wanted;
    this.mark("unit");
  }

  set<K extends "track" | "sort" | "shown" | "source" | "asked">(key: K, value: this[K]): void {
    if (this[key] === value) return;
    this[key] = value;
    if (key === "track") this.unit = Math.min(this.unit, this.network.tracks[this.track].size - 1);
    if (key === "asked") void this.differentiate();
    this.mark(key);
  }

  /** Show so many steps, the cursor among them. */
  zoom(count: number): void {
    const steps = Math.max(2, Math.min(this.T, Math.round(count)));
    this.from = Math.max(0, Math.min(this.T - steps, this.cursor - Math.floor(steps / 2)));
    this.to = Math.min(this.T, this.from + steps);
    this.mark("window");
  }

  /** Read another input; everything follows. */
  async read(input: Input): Promise<void> {
    const wasWhole = this.from === 0 && this.to === this.T;
    const atEnd = this.cursor === this.T - 1;
    this.input = input;
    this.changes = this.changes.filter((change) => change.from < lengthOf(input));
    for (const change of this.changes) change.to = Math.min(change.to, lengthOf(input) - 1);
    await this.recompute(() => {
      if (atEnd || this.cursor >= this.T) this.cursor = this.T - 1;
      if (wasWhole || this.to > this.T) [this.from, this.to] = [0, this.T];
      if (this.source !== null && this.source >= this.T) this.source = null;
    });
  }

  async change(changes: Change[]): Promise<void> {
    if (sameChanges(changes, this.changes)) return;
    this.changes = changes;
    await this.recompute();
  }

  async reset(): Promise<void> {
    this.changes = [];
    await this.read(this.originalInput);
  }

  private recompute(then: () => void = () => {}): Promise<void> {
    this.working = this.recomputeNow(then);
    return this.working;
  }

  private async recomputeNow(then: () => void): Promise<void> {
    this.pace?.stop();
    const pace = (this.pace = new Pace(this.progress));
    const same = this.input === this.originalInput && !this.changes.length;
    try {
      const run = same ? null : await this.network.run(this.input, [...this.changes], pace);
      this.changed = run;
    } catch (error) {
      if (error instanceof Stopped) return;
      throw error;
    }
    if (!this.changed) this.shown = "now";
    then();
    this.mark("run");
    await this.differentiate();
    this.progress(1);
  }

  // -- gradients

  /** The label that the reader asks about: the next token of the input, else the likeliest. */
  target(run: Run, t: number): Target {
    const { tokens } = run.input;
    const { kind } = this.document.output;
    if (kind === "none" || !this.network.answers) return { step: t, label: null };
    // a model that reads from both ends has an answer for the whole alone
    if (kind !== "next" && this.network.looksAhead && t < run.T - 1)
      return { step: t, label: null };
    if (kind === "next" && tokens && t + 1 < tokens.length)
      return { step: t, label: tokens[t + 1] };
    if (kind === "values") return { step: t, label: this.asked };
    return { step: t, label: largest(this.prediction(t, run), 1)[0] };
  }

  private differentiate(): Promise<void> {
    this.gradientPace?.stop();
    this.working = this.differentiateNow((this.gradientPace = new Pace()));
    return this.working;
  }

  private async differentiateNow(pace: Pace): Promise<void> {
    const { cursor } = this;
    try {
      const now = await this.network.differentiate(this.run, this.target(this.run, cursor), pace);
      const then =
        this.comparable || !this.changed
          ? this.changed
            ? await this.network.differentiate(
                this.original,
                this.target(this.original, cursor),
                pace,
              )
            : now
          : null;
      [this.gradient, this.originalGradient] = [now, then];
      this.mark("gradient");
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
    }
  }

  /** What each unit of the track does for the target at the cursor: value times gradient. */
  contributions(): { share: Float32Array; order: number[] } {
    const run = this.run.tracks[this.track];
    const size = this.network.tracks[this.track].size;
    const share = new Float32Array(size);
    const name = this.cell.output;
    const state = this.gradient?.tracks[this.track].states;
    if (state && name && state[name] && this.gradient!.target.step < this.T) {
      const t = this.gradient!.target.step;
      for (let k = 0; k < size; k++) share[k] = state[name].at(t, k) * run.values[name].at(t, k);
    }
    const order = Array.from(share.keys()).sort((a, b) => Math.abs(share[b]) - Math.abs(share[a]));
    return { share, order };
  }

  /** Wait for the run and the gradient at the cursor. */
  settled(): Promise<void> {
    return this.working;
  }

  // -- memory

  /** The state that the ledger accounts for: c where it is additive, else the first that is. */
  get memory(): string | null {
    const { memory } = this.cell;
    return memory.includes("c") ? "c" : (memory[0] ?? null);
  }

  /** The ledger at the cursor; null where no state is updated by adding. */
  ledger(run = this.run): Ledger | null {
    if (!this.memory) return null;
    const { reverse } = this.network.tracks[this.track].document;
    return account(run.tracks[this.track], this.memory, this.cursor, reverse);
  }

  /** The unit, and where there is a ledger the step, that do most for the answer at the cursor. */
  weightiest(): { source: number | null; unit: number } {
    const ledger = this.ledger();
    const states = this.gradient?.tracks[this.track].states;
    if (!ledger || !states) return { source: null, unit: this.contributions().order[0] };
    return weightiest(ledger, states[this.memory!].row(this.cursor));
  }

  // -- redrawing

  mark(aspect: Aspect): void {
    this.pending.add(aspect);
    if (!this.frame) this.frame = requestAnimationFrame(() => this.flush());
  }

  /** Redraw at once what has become different. */
  flush(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const aspects = this.pending;
    this.pending = new Set();
    if (aspects.size) for (const view of this.views) view.update(aspects);
  }
}

export function touches(aspects: Set<Aspect>, ...wanted: Aspect[]): boolean {
  return wanted.some((aspect) => aspects.has(aspect));
}
