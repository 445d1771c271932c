/** What scores mean: one of several, one of several in order, each so or not, or numbers. */

import { type Output } from "./document";
import { sigmoid, softmax } from "./matrix";

/** What is shown of scores: probabilities, or the numbers themselves. */
export function probabilities(kind: Output["kind"], scores: Float32Array): ArrayLike<number> {
  if (kind === "values" || kind === "none") return scores;
  if (kind === "ordinal") return between(above(scores).shares);
  if (kind === "keys") return scores.map(sigmoid);
  return softmax(scores);
}

/** The gradient of log p(label), or of the number itself, by the scores. */
export function gradientOf(
  kind: Output["kind"],
  scores: Float32Array,
  label: number,
): Float32Array {
  const found = new Float32Array(scores.length);
  if (kind === "values") {
    found[label] = 1;
    return found;
  }
  if (kind === "keys") {
    found[label] = 1 - sigmoid(scores[label]);
    return found;
  }
  if (kind === "ordinal") return ordinalGradient(scores, label);
  softmax(scores).forEach((share, k) => (found[k] = -share));
  found[label] += 1;
  return found;
}

/**
 * The probability of lying above each class, which never rises from class to class: CORAL, Cao et
 * al. (2020); and the score that each comes from.
 */
function above(scores: Float32Array): { shares: number[]; from: number[] } {
  const shares: number[] = [];
  const from: number[] = [];
  scores.forEach((score, k) => {
    const share = sigmoid(score);
    const lower = !k || share < shares[k - 1];
    shares.push(lower ? share : shares[k - 1]);
    from.push(lower ? k : from[k - 1]);
  });
  return { shares, from };
}

function between(shares: number[]): number[] {
  return [...shares, 0].map((share, k) => (k ? shares[k - 1] : 1) - share);
}

function ordinalGradient(scores: Float32Array, label: number): Float32Array {
  const { shares, from } = above(scores);
  const found = new Float32Array(scores.length);
  const share = Math.max(between(shares)[label], 1e-30);
  const add = (k: number, sign: number) => {
    if (k >= 0 && k < shares.length) found[from[k]] += (sign * shares[k] * (1 - shares[k])) / share;
  };
  add(label - 1, 1);
  add(label, -1);
  return found;
}
