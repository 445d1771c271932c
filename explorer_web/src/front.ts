/** What stands before the recurrent layers where the input is numbers: scaling, and a linear map. */

import { type Layer, decode } from "./document";
import { Matrix } from "./matrix";
import { Linear } from "./stage";

type Stage = (row: Float32Array) => Float32Array;

export class Front {
  private readonly stages: Stage[] = [];

  constructor(layers: Layer[]) {
    for (const layer of layers) {
      if (layer.kind === "standardize") this.stages.push(standardize(layer));
      if (layer.kind === "linear") {
        const linear = new Linear(layer);
        this.stages.push((row) => linear.forward(row));
      }
    }
  }

  /** What the recurrent layers read of the numbers. */
  read(numbers: Matrix): Matrix {
    if (!this.stages.length) return numbers;
    const rows = Array.from({ length: numbers.rows }, (_, t) =>
      this.stages.reduce((row, stage) => stage(row), numbers.row(t)),
    );
    const made = new Matrix(rows.length, rows[0].length);
    rows.forEach((row, t) => made.row(t).set(row));
    return made;
  }
}

/** Channels in units of their spread; a missing one is its mean, and marked where the model asks. */
function standardize(layer: Extract<Layer, { kind: "standardize" }>): Stage {
  const [mean, deviation] = [decode(layer.mean), decode(layer.deviation)];
  return (row) => {
    const scaled = row.map((value, k) =>
      Number.isNaN(value) ? 0 : (value - mean[k]) / deviation[k],
    );
    if (!layer.gaps) return scaled;
    const made = new Float32Array(2 * row.length);
    made.set(scaled);
    row.forEach((value, k) => (made[row.length + k] = Number.isNaN(value) ? 1 : 0));
    return made;
  };
}
