/** Layers that know nothing of time, forward and back. */

import { type Layer, decode } from "./document";
import { Matrix, sigmoid } from "./matrix";

export interface Stage {
  forward(values: ArrayLike<number>): Float32Array;
  /** From the gradient of what it returned for `values`, that of `values`. */
  backward(gradient: ArrayLike<number>, values: ArrayLike<number>): Float32Array;
}

export class Linear implements Stage {
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

/**
 * Outputs that are so or not, each told how likely those before it are: the mean field of a logistic
 * autoregression, from the first output to the last.
 */
export class Pairs implements Stage {
  private readonly weight: Matrix;

  constructor(layer: Extract<Layer, { kind: "pairs" }>) {
    this.weight = new Matrix(layer.weight.rows, layer.weight.columns, decode(layer.weight.data));
  }

  forward(values: ArrayLike<number>): Float32Array {
    const found = Float32Array.from(values);
    const shares = new Float64Array(found.length);
    for (let k = 0; k < found.length; k++) {
      let score = values[k];
      for (let j = 0; j < k; j++) score += this.weight.at(k, j) * shares[j];
      found[k] = score;
      shares[k] = sigmoid(score);
    }
    return found;
  }

  backward(gradient: ArrayLike<number>, values: ArrayLike<number>): Float32Array {
    const shares = Array.from(this.forward(values), sigmoid);
    const found = Float64Array.from(gradient);
    for (let j = found.length - 1; j >= 0; j--) {
      let flow = 0;
      for (let k = j + 1; k < found.length; k++) flow += found[k] * this.weight.at(k, j);
      found[j] += flow * shares[j] * (1 - shares[j]);
    }
    return Float32Array.from(found);
  }
}
