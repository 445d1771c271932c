/** Long work in slices, so that the page stays alive; newer work stops older. */

const SLICE = 24; // milliseconds between two breaths

export class Stopped extends Error {}

export class Pace {
  private begun = performance.now();
  private stopped = false;

  constructor(private readonly show: (share: number) => void = () => {}) {}

  stop(): void {
    this.stopped = true;
  }

  /** Give the page a moment if it is time; throws `Stopped` where newer work has begun. */
  async breathe(share: number): Promise<void> {
    if (this.stopped) throw new Stopped();
    if (performance.now() - this.begun < SLICE) return;
    this.show(share);
    await new Promise((resume) => setTimeout(resume));
    this.begun = performance.now();
    if (this.stopped) throw new Stopped();
  }
}
