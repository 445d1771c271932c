/** One layer in one direction: its run over all steps, and the gradient back through them. */

import { type Change } from "./change";
import { type Cell, type TrackDocument, decode } from "./document";
import { Matrix } from "./matrix";
import { type Pace } from "./pace";
import { type Named, type Program } from "./program";

export interface TrackRun {
  values: Record<string, Matrix>;
  /** By state: what is kept of the last value, and what is written; both broadcast to its size. */
  kept: Record<string, Matrix>;
  written: Record<string, Matrix>;
  /** Each state before every step, in the order of the input. */
  before: Record<string, Matrix>;
  output: Matrix;
  /** The states after the step that ran last. */
  last: Named;
}

export interface TrackGradient {
  /** By state: the gradient of the reader's target by the state's new value at every step. */
  states: Record<string, Matrix>;
  input: Matrix;
}

export class Recurrence {
  readonly program: Program;
  readonly size: number;
  private readonly start: Named = {};
  private readonly inputs: Named = {};
  private readonly givens: Named = {};

  constructor(
    readonly document: TrackDocument,
    readonly cell: Cell,
    readonly layer: number,
    readonly number: number,
  ) {
    const weights = Object.fromEntries(
      Object.entries(document.weights).map(([name, text]) => [name, decode(text)]),
    );
    const make = window.gatewiseCells[document.cell];
    this.program = make(document.sizes, document.constants, weights);
    for (const [name, text] of Object.entries(document.start)) this.start[name] = decode(text);
    for (const [name, text] of Object.entries(document.givens)) this.givens[name] = decode(text);
    for (const [name, size] of Object.entries(cell.inputs))
      this.inputs[name] = new Float32Array(this.number_of(size));
    this.size = this.program.output.length;
  }

  get name(): string {
    return `layer ${this.layer + 1}${this.document.reverse ? ", backwards" : ""}`;
  }

  private number_of(size: string | number): number {
    return typeof size === "number" ? size : (this.document.sizes[size] ?? this.document.sizes.H);
  }

  /** The steps in the order in which they run. */
  private *order(T: number, backwards = false): Generator<number> {
    const descending = this.document.reverse !== backwards;
    for (let k = 0; k < T; k++) yield descending ? T - 1 - k : k;
  }

  async run(
    x: Matrix,
    further: Record<string, Matrix>,
    changes: Change[],
    pace: Pace,
  ): Promise<TrackRun> {
    const { program } = this;
    const T = x.rows;
    const series = (named: Named) =>
      Object.fromEntries(
        Object.entries(named).map(([name, array]) => [name, new Matrix(T, array.length)]),
      );
    const wide = (name: string) => new Matrix(T, program.newStates[name].length);
    const made: TrackRun = {
      values: series(program.values),
      kept: Object.fromEntries(this.cell.memory.map((name) => [name, wide(name)])),
      written: Object.fromEntries(this.cell.memory.map((name) => [name, wide(name)])),
      before: series(program.newStates),
      output: new Matrix(T, this.size),
      last: {},
    };
    const states = this.begin();
    let done = 0;
    for (const t of this.order(T)) {
      for (const [name, state] of Object.entries(states)) made.before[name].row(t).set(state);
      program.step(this.inputsAt(t, x, further, changes), states, this.givens);
      for (const [name, array] of Object.entries(program.values))
        made.values[name].row(t).set(array);
      for (const name of this.cell.memory) {
        spread(program.further[`keep_${name}`], made.kept[name].row(t));
        spread(program.further[`write_${name}`], made.written[name].row(t));
      }
      for (const [name, state] of Object.entries(states)) state.set(program.newStates[name]);
      made.output.row(t).set(program.output);
      await pace.breathe(++done / T);
    }
    made.last = states;
    return made;
  }

  /** Compute one step again, so that the program's slots hold every number of it. */
  enter(
    run: TrackRun,
    x: Matrix,
    further: Record<string, Matrix>,
    changes: Change[],
    t: number,
  ): void {
    this.program.step(this.inputsAt(t, x, further, changes), rowsAt(run.before, t), this.givens);
  }

  /** From the gradient of the output at every step, that of the states and of the input. */
  async differentiate(
    run: TrackRun,
    x: Matrix,
    further: Record<string, Matrix>,
    changes: Change[],
    output: Matrix,
    /** The gradient by the last states, where something reads these. */
    end: Named | null,
    pace: Pace,
  ): Promise<TrackGradient> {
    const { program } = this;
    const T = x.rows;
    const sizes = Object.entries(program.newStates).map(([name, a]) => [name, a.length] as const);
    const states = Object.fromEntries(sizes.map(([name, size]) => [name, new Matrix(T, size)]));
    const flow: Named = Object.fromEntries(
      sizes.map(([name, size]) => [name, end?.[name].slice() ?? new Float32Array(size)]),
    );
    const input = new Matrix(T, x.columns);
    let reached = end !== null; // nothing flows before the last step that the target reads
    let done = 0;
    for (const t of this.order(T, true)) {
      reached ||= output.row(t).some((value) => value !== 0);
      done++;
      if (!reached) continue;
      const cotangents = { ...flow, output: output.row(t) };
      program.backward(
        this.inputsAt(t, x, further, changes),
        rowsAt(run.before, t),
        cotangents,
        this.givens,
      );
      for (const [name, size] of sizes) {
        const inside = program.gradients.inputs[`change_${name}`];
        if (inside) spread(inside, states[name].row(t));
        else states[name].row(t).set(flow[name]);
        const back = program.gradients.states[name];
        if (back) spread(back, flow[name]);
        else flow[name] = new Float32Array(size);
      }
      if (program.gradients.inputs.x) spread(program.gradients.inputs.x, input.row(t));
      await pace.breathe(done / T);
    }
    return { states, input };
  }

  /** The inputs of a step that nothing is changed at. */
  plainInputs(x: Float32Array): Named {
    const { inputs } = this;
    inputs.x = x;
    for (const name of this.cell.changeable) inputs[`clamped_${name}`].fill(0);
    return inputs;
  }

  private begin(): Named {
    return Object.fromEntries(
      Object.entries(this.start).map(([name, state]) => [name, state.slice()]),
    );
  }

  private inputsAt(
    t: number,
    x: Matrix,
    further: Record<string, Matrix>,
    changes: Change[],
  ): Named {
    const inputs = this.plainInputs(x.row(t));
    for (const [name, series] of Object.entries(further))
      if (name in inputs) inputs[name] = series.row(t);
    for (const change of changes) {
      if (change.track !== this.number || t < change.from || t > change.to) continue;
      const held = inputs[`clamped_${change.value}`];
      for (const unit of change.units ?? held.keys()) {
        held[unit] = 1;
        inputs[`clamp_${change.value}`][unit] = change.number;
      }
    }
    return inputs;
  }
}

function rowsAt(series: Record<string, Matrix>, t: number): Named {
  return Object.fromEntries(Object.entries(series).map(([name, matrix]) => [name, matrix.row(t)]));
}

/** Copy a value; one number serves all units. */
export function spread(from: Float32Array, to: Float32Array): void {
  if (from.length === to.length) to.set(from);
  else to.fill(from[0]);
}
