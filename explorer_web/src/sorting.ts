/** In which order the units of a layer are shown. */

import { Matrix } from "./matrix";
import { type TrackRun } from "./recurrence";
import { type Sort, type Store } from "./store";

const COMPARED = 48; // steps that a comparison of units looks at, at most

/** The units in the reader's order, the first on top. */
export function orderOf(store: Store): number[] {
  const size = store.network.tracks[store.track].size;
  const plain = Array.from({ length: size }, (_, k) => k);
  const run = store.run.tracks[store.track];
  const orders: Record<Sort, () => number[]> = {
    number: () => plain,
    timescale: () => {
      const steps = timescales(store.cell.memory, run, size);
      return plain.sort((a, b) => steps[b] - steps[a]);
    },
    cluster: () => neighbours(run.output),
    contribution: () => store.contributions().order,
  };
  if (store.sort === "contribution") return orders.contribution(); // it follows the cursor
  const known = found.get(run) ?? new Map<Sort, number[]>();
  found.set(run, known);
  if (!known.has(store.sort)) known.set(store.sort, orders[store.sort]());
  return known.get(store.sort)!;
}

/** The orders that hold for a whole run. */
const found = new WeakMap<TrackRun, Map<Sort, number[]>>();

/** How many steps a unit remembers: −1 / mean ln(kept); without an additive state, by its output. */
export function timescales(memory: string[], run: TrackRun, size: number): Float64Array {
  const found = new Float64Array(size);
  const kept = memory.map((name) => run.kept[name]).find((matrix) => matrix.columns === size);
  for (let k = 0; k < size; k++) {
    const share = kept
      ? meanLogarithm(kept, k)
      : Math.log(Math.max(1e-9, persistence(run.output, k)));
    found[k] = share >= 0 ? Infinity : -1 / share;
  }
  return found;
}

function meanLogarithm(kept: Matrix, unit: number): number {
  let sum = 0;
  for (let t = 0; t < kept.rows; t++) sum += Math.log(Math.max(1e-9, Math.abs(kept.at(t, unit))));
  return sum / kept.rows;
}

/** The correlation of a unit with itself one step earlier. */
function persistence(series: Matrix, unit: number): number {
  let mean = 0;
  for (let t = 0; t < series.rows; t++) mean += series.at(t, unit) / series.rows;
  let together = 0;
  let alone = 0;
  for (let t = 0; t < series.rows; t++) {
    const value = series.at(t, unit) - mean;
    alone += value * value;
    if (t) together += value * (series.at(t - 1, unit) - mean);
  }
  return alone ? together / alone : 0;
}

/** Each unit beside the one most like it: a walk from neighbour to neighbour. */
function neighbours(series: Matrix): number[] {
  const step = Math.ceil(series.rows / COMPARED);
  const units = Array.from({ length: series.columns }, (_, k) => normalized(series, k, step));
  const left = new Set(units.keys());
  const found: number[] = [];
  for (let now = 0; left.size;) {
    left.delete(now);
    found.push(now);
    let best = -Infinity;
    let next = now;
    for (const k of left) {
      const likeness = dot(units[now], units[k]);
      if (likeness > best) [best, next] = [likeness, k];
    }
    now = next;
  }
  return found;
}

function normalized(series: Matrix, unit: number, step: number): Float64Array {
  const values = new Float64Array(Math.ceil(series.rows / step));
  for (let k = 0; k < values.length; k++) values[k] = series.at(k * step, unit);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const length = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0)) || 1;
  return values.map((value) => (value - mean) / length);
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}
