/** What a reader changes inside the model: values held at a number, over units and steps. */

export interface Change {
  /** A clamp of any value, or a silenced unit: its output held at zero. */
  kind: "clamp" | "silence";
  track: number;
  value: string;
  /** null for all units. */
  units: number[] | null;
  from: number;
  to: number;
  number: number;
}

/** What a change is, in words. */
export function describe(change: Change, T: number, labels: string[]): string {
  const all = change.from === 0 && change.to === T - 1;
  const one = change.from === change.to;
  const when = all
    ? "at every step"
    : one
      ? `at step ${change.from} (${labels[change.from]})`
      : `at steps ${change.from} to ${change.to}`;
  if (change.kind === "silence") return `unit ${change.units?.join(", ")} silenced`;
  const units = change.units ? `, unit ${change.units.join(", ")},` : ", all units,";
  return `${change.value}${units} held at ${change.number} ${when}`;
}

export function sameChanges(a: Change[], b: Change[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
