/** Layers that know nothing of time, forward and back. */

import { type Layer, decode } from "./document";
import { Matrix } from "./matrix";

export class Linear {
  private readonly weight: Matrix;
  private readonly bias: Float32Array | null;

  constructor(layer: Omit<Extract<Layer, { kind: "linear" }>, "kind">) {
    this.weight = new Matrix(layer.weight.rows, layer.weight.columns, decode(layer.weight.data));
    this.bias = layer.bias ? decode(layer.bias) : null;
  }

  forward(values: ArrayLike<number>): Float32Array {
    const { weight, bias } = this;
    const found = new Float32Array(weight.rows);
    for (let r = 0; r < weight.rows; r++) {
      let sum = bias ? bias[r] : 0;
      const row = r * weight.columns;
      for (let k = 0; k < weight.columns; k++) sum += weight.data[row + k] * values[k];
      found[r] = sum;
    }
    return found;
  }

  /** From the gradient of what it returned, that of what it was given. */
  backward(gradient: ArrayLike<number>): Float32Array {
    const { weight } = this;
    const found = new Float64Array(weight.columns);
    for (let r = 0; r < weight.rows; r++) {
      const row = r * weight.columns;
      for (let k = 0; k < weight.columns; k++) found[k] += gradient[r] * weight.data[row + k];
    }
    return Float32Array.from(found);
  }
}
