/**
 * The memory ledger: c_T = Σ_j (Π_{k>j} kept_k) · written_j + (Π kept) · c_0, unit by unit.
 * Levy et al. (2018), arXiv:1805.03716, equation 4, for every state that is updated by adding.
 */

import { Matrix } from "./matrix";
import { type TrackRun } from "./recurrence";

export interface Ledger {
  step: number;
  /** What is left at `step` of what each step wrote, unit by unit. */
  left: Matrix;
  /** The share of what each step wrote that is left. */
  survival: Matrix;
  /** What is left of the state before the first step. */
  initial: Float32Array;
  /** The state itself. */
  value: Float32Array;
}

/** Account for a state at a step. */
export function account(run: TrackRun, state: string, step: number, reverse: boolean): Ledger {
  const [kept, written] = [run.kept[state], run.written[state]];
  const { rows, columns } = kept;
  const left = new Matrix(rows, columns);
  const survival = new Matrix(rows, columns);
  const share = new Float64Array(columns).fill(1);
  const first = reverse ? rows - 1 : 0;
  const back = reverse ? 1 : -1;
  for (let t = step; t >= 0 && t < rows; t += back)
    for (let k = 0, place = t * columns; k < columns; k++, place++) {
      survival.data[place] = share[k];
      left.data[place] = share[k] * written.data[place];
      share[k] *= kept.data[place];
    }
  const initial = Float32Array.from(share, (value, k) => value * run.before[state].at(first, k));
  const value = Float32Array.from(
    { length: columns },
    (_, k) => kept.at(step, k) * run.before[state].at(step, k) + written.at(step, k),
  );
  return { step, left, survival, initial, value };
}

/** For each step, its part of all that is in the memory: Σ|left| over units, of the whole. */
export function shares(ledger: Ledger, weights?: ArrayLike<number>): Float64Array {
  const { left, initial } = ledger;
  const weight = (k: number) => (weights ? Math.abs(weights[k]) : 1);
  const found = new Float64Array(left.rows);
  let whole = 0;
  for (let k = 0; k < left.columns; k++) whole += Math.abs(initial[k]) * weight(k);
  for (let t = 0; t < left.rows; t++) {
    const row = left.row(t);
    for (let k = 0; k < row.length; k++) found[t] += Math.abs(row[k]) * weight(k);
    whole += found[t];
  }
  return whole ? found.map((value) => value / whole) : found;
}

/** The entry that does most for a target: what is left times the target's gradient by the state. */
export function weightiest(
  ledger: Ledger,
  gradient: ArrayLike<number>,
): { source: number; unit: number } {
  const { left, step } = ledger;
  // what was just read is no feat of memory
  const near = Math.min(2, Math.floor(left.rows / 3));
  let [best, source] = [-Infinity, step];
  for (let t = 0; t < left.rows; t++) {
    if (Math.abs(t - step) < near) continue;
    const sum = left.row(t).reduce((total, value, k) => total + value * gradient[k], 0);
    if (sum > best) [best, source] = [sum, t];
  }
  const row = left.row(source);
  let unit = 0;
  for (let k = 1; k < row.length; k++)
    if (row[k] * gradient[k] > row[unit] * gradient[unit]) unit = k;
  return { source, unit };
}

/** The largest difference between the state and the sum of its entries: rounding alone. */
export function errorOf(ledger: Ledger): number {
  const sum = Float64Array.from(ledger.initial);
  for (let t = 0; t < ledger.left.rows; t++)
    ledger.left.row(t).forEach((value, k) => (sum[k] += value));
  return sum.reduce((most, value, k) => Math.max(most, Math.abs(value - ledger.value[k])), 0);
}
