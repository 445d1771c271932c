/** The model in the page: from the input through all layers to the scores, and back. */

import { type Change } from "./change";
import { type Cell, type Layer, type PageDocument, type Weights, decode } from "./document";
import { type Encoded, type Entry, Forecast } from "./forecast";
import { Front } from "./front";
import { Head } from "./head";
import { Matrix, beside, columnsOf, norm } from "./matrix";
import { Norm } from "./norm";
import { gradientOf } from "./outcome";
import { type Pace } from "./pace";
import { Recurrence, type TrackGradient, type TrackRun } from "./recurrence";
import { Stack } from "./stack";

/** The input of a run: tokens of a text, or rows of numbers. */
export interface Input {
  tokens: number[] | null;
  numbers: Matrix | null;
}

export function lengthOf(input: Input): number {
  return input.tokens ? input.tokens.length : input.numbers!.rows;
}

export interface Run {
  input: Input;
  changes: Change[];
  T: number;
  /** What each track read, by its number. */
  read: Matrix[];
  /** What came up to each layer, before it was normalised. */
  between: Matrix[];
  tracks: TrackRun[];
  outputs: Matrix;
  scores: Map<number, Float32Array>;
}

/** What a gradient is taken of: log probability of a label, a score, or half the output squared. */
export interface Target {
  step: number;
  label: number | null;
}

export interface Gradient {
  target: Target;
  tracks: TrackGradient[];
}

export class Network {
  readonly tracks: Recurrence[] = [];
  readonly head: Head;
  private readonly front: Front;
  /** What reads and decodes a series, where the model forecasts. */
  readonly forecast: Forecast | null;
  private readonly rows: Recurrence[][] = [];
  private readonly embedding: Matrix | null = null;
  private readonly residual: boolean = false;
  private readonly norms: Norm[] = [];
  private readonly further: Record<string, Matrix>;

  constructor(readonly document: PageDocument) {
    const [before, after]: Layer[][] = [[], []];
    for (const layer of document.layers) {
      if (layer.kind === "embedding") this.embedding = matrixOf(layer.weight);
      else if (layer.kind === "recurrent") {
        this.residual = layer.residual;
        this.norms = layer.norms.map((norm) => new Norm(norm));
        for (const row of layer.tracks)
          this.rows.push(row.map((track) => this.add(track, document)));
      } else (this.rows.length ? after : before).push(layer);
    }
    this.front = new Front(before);
    this.forecast = this.forecastOf(before, after);
    const top = this.rows[this.rows.length - 1];
    this.head = new Head(after, top.length > 1 ? top[0].size : null);
    const further = document.input.further ?? {};
    this.further = Object.fromEntries(
      Object.entries(further).map(([name, weights]) => [name, matrixOf(weights)]),
    );
  }

  private add(track: Recurrence["document"], document: PageDocument): Recurrence {
    const made = new Recurrence(
      track,
      document.cells[track.cell],
      this.rows.length,
      this.tracks.length,
    );
    this.tracks.push(made);
    return made;
  }

  private forecastOf(before: Layer[], after: Layer[]): Forecast | null {
    const front = before.find((layer) => layer.kind === "segments");
    const decoder = after.find((layer) => layer.kind === "forecast");
    if (!front || !decoder) return null;
    return new Forecast(front, decoder, new Stack(this.rows.map(([track]) => track)));
  }

  /** Whether there is something that answers. */
  get answers(): boolean {
    return this.head.exists || this.forecast !== null;
  }

  /** Whether the model has an answer for the whole input alone. */
  get looksAhead(): boolean {
    if (this.forecast) return true;
    return this.rows.some((row) => row.length > 1 || row[0].document.reverse);
  }

  /** Whether some units read from the beginning and others from the end. */
  get readsBothWays(): boolean {
    return this.rows.some((row) => row.length > 1);
  }

  cellOf(track: number): Cell {
    return this.tracks[track].cell;
  }

  async run(input: Input, changes: Change[], pace: Pace): Promise<Run> {
    let x = this.first(input);
    const run: Run = {
      input,
      changes,
      T: x.rows,
      read: [],
      between: [],
      tracks: [],
      outputs: x,
      scores: new Map(),
    };
    for (const [depth, row] of this.rows.entries()) {
      const norm = depth ? this.norms[depth - 1] : undefined;
      const read = norm ? norm.forward(x) : x;
      const outputs: Matrix[] = [];
      run.between.push(x);
      for (const track of row) {
        const made = await track.run(read, this.further, changes, pace);
        run.read.push(read);
        run.tracks.push(made);
        outputs.push(made.output);
      }
      const y = beside(outputs);
      x = depth && this.residual ? sum(y, x) : y;
    }
    run.outputs = x;
    return run;
  }

  private first(input: Input): Matrix {
    if (this.forecast) return this.forecast.read(input.numbers!);
    if (!input.tokens) return this.front.read(input.numbers!);
    const found = new Matrix(input.tokens.length, this.embedding!.columns);
    for (const [t, token] of input.tokens.entries()) found.row(t).set(this.embedding!.row(token));
    return found;
  }

  /** Another token whose vector points most nearly the same way. */
  nearestToken(token: number): number | null {
    const { embedding } = this;
    if (!embedding || embedding.rows < 2) return null;
    const own = embedding.row(token);
    let [best, found] = [-Infinity, 0];
    for (let k = 0; k < embedding.rows; k++) {
      const other = embedding.row(k);
      const likeness =
        own.reduce((total, value, j) => total + value * other[j], 0) / (norm(other) || 1);
      if (k !== token && likeness > best) [best, found] = [likeness, k];
    }
    return found;
  }

  /** The scores after a step, computed when first asked for. */
  scores(run: Run, t: number): Float32Array {
    const known = run.scores.get(t);
    if (known) return known;
    const found = this.computeScores(run, t);
    run.scores.set(t, found);
    return found;
  }

  private computeScores(run: Run, t: number): Float32Array {
    if (this.forecast) {
      const quantiles = this.quantiles(run);
      const middle = Math.floor(quantiles.columns / 2);
      return Float32Array.from({ length: quantiles.rows }, (_, f) => quantiles.at(f, middle));
    }
    return this.head.exists ? this.head.scores(run.outputs, t) : new Float32Array(0);
  }

  /** The forecast's quantiles in the series' own units, a row for each step. */
  quantiles(run: Run): Matrix {
    return this.forecast!.forecast(run.input.numbers!, this.encoded(run));
  }

  private encoded(run: Run): Encoded {
    return {
      last: run.outputs.row(run.T - 1),
      states: this.rows.map(([track]) => run.tracks[track.number].last),
    };
  }

  /** Every number of one step of one track, in its program's slots. */
  enter(run: Run, track: number, t: number): Recurrence {
    const found = this.tracks[track];
    found.enter(run.tracks[track], run.read[track], this.further, run.changes, t);
    return found;
  }

  async differentiate(run: Run, target: Target, pace: Pace): Promise<Gradient> {
    const entry = this.forecastEntry(run, target);
    let flow = entry ? new Matrix(run.T, run.outputs.columns) : this.outputGradient(run, target);
    if (entry) flow.row(target.step).set(entry.output);
    const tracks: TrackGradient[] = new Array(this.tracks.length);
    for (let depth = this.rows.length - 1; depth >= 0; depth--) {
      const row = this.rows[depth];
      let below: Matrix | null = null;
      let start = 0;
      for (const track of row) {
        const k = track.number;
        const part = columnsOf(flow, start, track.size);
        start += track.size;
        tracks[k] = await track.differentiate(
          run.tracks[k],
          run.read[k],
          this.further,
          run.changes,
          part,
          entry?.flows[depth] ?? null,
          pace,
        );
        below = below ? sum(below, tracks[k].input) : tracks[k].input;
      }
      const norm = depth ? this.norms[depth - 1] : undefined;
      if (norm) below = norm.backward(run.between[depth], below!);
      flow = depth && this.residual ? sum(below!, flow) : below!;
    }
    return { target, tracks };
  }

  /** Where the gradient of a forecast enters; null for other models and other questions. */
  private forecastEntry(run: Run, { label }: Target): Entry | null {
    if (!this.forecast || label === null) return null;
    return this.forecast.differentiate(run.input.numbers!, this.encoded(run), label);
  }

  private outputGradient(run: Run, { step, label }: Target): Matrix {
    if (!this.head.exists || label === null) {
      const found = new Matrix(run.T, run.outputs.columns);
      found.row(step).set(run.outputs.row(step));
      return found;
    }
    const gradient = gradientOf(this.document.output.kind, this.scores(run, step), label);
    return this.head.backward(run.outputs, step, gradient);
  }

  /** The largest difference from what torch computed for the page's own input. */
  difference(run: Run): number {
    const { first, outputs, scores } = this.document.torch;
    const theirs = matrixOf(outputs);
    let found = 0;
    for (let k = 0; k < theirs.rows; k++)
      found = Math.max(found, apart(theirs.row(k), run.outputs.row(first + k)));
    if (scores) {
      const [torchs, ours] = [decode(scores), this.scores(run, run.T - 1)];
      // numbers in their own units may be large, and are then compared by their size
      const size = torchs.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
      found = Math.max(found, apart(torchs, ours) / size);
    }
    return found;
  }
}

export function matrixOf(weights: Weights): Matrix {
  return new Matrix(weights.rows, weights.columns, decode(weights.data));
}

function sum(a: Matrix, b: Matrix): Matrix {
  return new Matrix(
    a.rows,
    a.columns,
    a.data.map((value, k) => value + b.data[k]),
  );
}

function apart(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, k) => Math.max(most, Math.abs(value - b[k])), 0);
}
