/** The tour's card: it leads from stop to stop. */

import { type CellView } from "./cellview";
import { make } from "./element";
import { type Guide, type Stop } from "./guide";
import { MemoryTour } from "./memorytour";
import { PlainTour } from "./plaintour";
import { type Store } from "./store";

/** The tour that suits the cell. */
function guideFor(store: Store, cell: CellView): Guide {
  const keeps = store.cell.forgetGates.length > 0 && store.memory !== null;
  return keeps ? new MemoryTour(store, cell) : new PlainTour(store, cell);
}

export class Tour {
  readonly element: HTMLElement;
  private stops: Stop[] = [];
  private place = 0;
  private readonly title = make("h2", { id: "tour-title", tabindex: "-1" });
  private readonly body = make("p", { "aria-live": "polite" });
  private readonly count = make("span", { class: "small" });
  private readonly back = make(
    "button",
    { type: "button", onclick: () => void this.go(this.place - 1) },
    "Back",
  );
  private readonly next = make(
    "button",
    { type: "button", class: "primary", onclick: () => void this.go(this.place + 1) },
    "Next",
  );

  constructor(
    private readonly store: Store,
    private readonly cell: CellView,
    private readonly leave: () => void,
  ) {
    this.element = make(
      "div",
      { class: "tour", role: "dialog", "aria-labelledby": "tour-title", hidden: true },
      make(
        "div",
        { class: "tour-head" },
        this.count,
        make(
          "button",
          {
            type: "button",
            class: "close",
            "aria-label": "End the tour",
            onclick: () => this.end(),
          },
          "×",
        ),
      ),
      this.title,
      this.body,
      make("div", { class: "row" }, this.back, this.next),
    );
  }

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  async begin(): Promise<void> {
    this.stops = guideFor(this.store, this.cell).stops();
    this.element.hidden = false;
    document.body.classList.add("touring");
    await this.go(0);
  }

  end(): void {
    this.element.hidden = true;
    document.body.classList.remove("touring");
    for (const each of document.querySelectorAll(".toured")) each.classList.remove("toured");
    this.leave();
  }

  async go(place: number): Promise<void> {
    if (place >= this.stops.length) return this.end();
    this.place = Math.max(0, place);
    const stop = this.stops[this.place];
    this.next.disabled = this.back.disabled = true;
    this.count.textContent = `${this.place + 1} of ${this.stops.length}`;
    this.title.textContent = stop.title;
    this.body.textContent = "…";
    this.body.textContent = await stop.enter();
    document.body.style.setProperty("--tour", `${this.element.offsetHeight}px`);
    this.back.disabled = this.place === 0;
    this.next.disabled = false;
    this.next.textContent = this.place === this.stops.length - 1 ? "Done" : "Next";
    for (const each of document.querySelectorAll(".toured")) each.classList.remove("toured");
    const shownSection = document.getElementById(stop.section)!;
    shownSection.classList.add("toured");
    shownSection.scrollIntoView({ block: "start", behavior: "auto" });
    this.title.focus({ preventScroll: true });
    this.element.dataset.stop = String(this.place);
  }
}
