/** Layer norm between layers: zero mean and unit variance over a step's units, then scaled. */

import { type Norm as NormDocument, decode } from "./document";
import { Matrix } from "./matrix";

export class Norm {
  private readonly weight: Float32Array;
  private readonly bias: Float32Array;
  private readonly epsilon: number;

  constructor(document: NormDocument) {
    this.weight = decode(document.weight);
    this.bias = decode(document.bias);
    this.epsilon = document.epsilon;
  }

  forward(x: Matrix): Matrix {
    const made = new Matrix(x.rows, x.columns);
    for (let t = 0; t < x.rows; t++) {
      const { mean, scale } = this.moments(x.row(t));
      const row = made.row(t);
      x.row(t).forEach(
        (value, k) => (row[k] = (value - mean) * scale * this.weight[k] + this.bias[k]),
      );
    }
    return made;
  }

  /** From the gradient of what it returned, that of what it was given. */
  backward(x: Matrix, gradient: Matrix): Matrix {
    const made = new Matrix(x.rows, x.columns);
    for (let t = 0; t < x.rows; t++) {
      const { mean, scale } = this.moments(x.row(t));
      const normal = Float64Array.from(x.row(t), (value) => (value - mean) * scale);
      const flow = Float64Array.from(gradient.row(t), (value, k) => value * this.weight[k]);
      const average = flow.reduce((sum, value) => sum + value, 0) / flow.length;
      const slope = flow.reduce((sum, value, k) => sum + value * normal[k], 0) / flow.length;
      const row = made.row(t);
      flow.forEach((value, k) => (row[k] = (value - average - normal[k] * slope) * scale));
    }
    return made;
  }

  private moments(row: Float32Array): { mean: number; scale: number } {
    const mean = row.reduce((sum, value) => sum + value, 0) / row.length;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
    return { mean, scale: 1 / Math.sqrt(variance + this.epsilon) };
  }
}
