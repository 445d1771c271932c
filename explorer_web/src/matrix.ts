/** Rows of numbers, one row for each step. */

export class Matrix {
  readonly data: Float32Array;
  private largest: number | null = null;
  constructor(
    readonly rows: number,
    readonly columns: number,
    data?: Float32Array,
  ) {
    this.data = data ?? new Float32Array(rows * columns);
  }
  row(k: number): Float32Array {
    return this.data.subarray(k * this.columns, (k + 1) * this.columns);
  }
  at(row: number, column: number): number {
    return this.data[row * this.columns + column];
  }
  /** The largest magnitude, for a matrix that is written no more. */
  get extent(): number {
    if (this.largest !== null) return this.largest;
    let most = 0;
    for (let k = 0; k < this.data.length; k++) {
      const size = Math.abs(this.data[k]);
      if (size > most) most = size;
    }
    return (this.largest = most);
  }
  copy(): Matrix {
    return new Matrix(this.rows, this.columns, this.data.slice());
  }
}

/** Matrices of equal height side by side. */
export function beside(parts: Matrix[]): Matrix {
  if (parts.length === 1) return parts[0];
  const made = new Matrix(
    parts[0].rows,
    parts.reduce((sum, part) => sum + part.columns, 0),
  );
  for (let k = 0; k < made.rows; k++) {
    let start = 0;
    for (const part of parts) {
      made.row(k).set(part.row(k), start);
      start += part.columns;
    }
  }
  return made;
}

/** The columns from `start` on, `count` of them. */
export function columnsOf(matrix: Matrix, start: number, count: number): Matrix {
  if (count === matrix.columns) return matrix;
  const made = new Matrix(matrix.rows, count);
  for (let k = 0; k < matrix.rows; k++)
    made.row(k).set(matrix.row(k).subarray(start, start + count));
  return made;
}

export function sigmoid(value: number): number {
  return 1 / (1 + Math.exp(-value));
}

export function norm(values: ArrayLike<number>): number {
  let sum = 0;
  for (let k = 0; k < values.length; k++) sum += values[k] * values[k];
  return Math.sqrt(sum);
}

/** Probabilities from scores. */
export function softmax(scores: ArrayLike<number>): Float64Array {
  let largest = -Infinity;
  for (let k = 0; k < scores.length; k++) largest = Math.max(largest, scores[k]);
  const found = new Float64Array(scores.length);
  let sum = 0;
  for (let k = 0; k < scores.length; k++) sum += found[k] = Math.exp(scores[k] - largest);
  for (let k = 0; k < scores.length; k++) found[k] /= sum;
  return found;
}

export function logSoftmax(scores: ArrayLike<number>): Float32Array {
  let largest = -Infinity;
  for (let k = 0; k < scores.length; k++) largest = Math.max(largest, scores[k]);
  let sum = 0;
  for (let k = 0; k < scores.length; k++) sum += Math.exp(scores[k] - largest);
  return Float32Array.from(scores, (score) => score - largest - Math.log(sum));
}

/** The places of the largest numbers, the largest first. */
export function largest(values: ArrayLike<number>, count: number): number[] {
  const found: number[] = [];
  for (let k = 0; k < values.length; k++) {
    if (found.length === count && values[k] <= values[found[count - 1]]) continue;
    let place = found.length;
    while (place > 0 && values[found[place - 1]] < values[k]) place--;
    found.splice(place, 0, k);
    if (found.length > count) found.pop();
  }
  return found;
}
