/** The page: a heading, the views, the keys, and the tour. */

import { CellView } from "./cellview";
import { type PageDocument } from "./document";
import { make } from "./element";
import { GradientView } from "./gradientview";
import { Health } from "./health";
import { Inspector } from "./inspector";
import { LedgerView } from "./ledgerview";
import { Maps } from "./maps";
import { whenThemeChanges } from "./palette";
import { Reading } from "./reading";
import { SeriesView } from "./seriesview";
import { Signal } from "./signal";
import { type Aspect, Store, type View } from "./store";
import { Tour } from "./tour";
import { WhatIf } from "./whatif";

const PLACES: [string, string][] = [
  ["reading", "Input"],
  ["gates", "Gates"],
  ["cell", "One step"],
  ["memory", "Memory"],
  ["gradient", "Gradient"],
  ["whatif", "What if"],
  ["health", "Health"],
];

declare global {
  interface Window {
    /** The page's store, for tests and for the curious. */
    gatewise: Store;
  }
}

async function begin(): Promise<void> {
  const page = document.getElementById("explorer")!;
  const described = JSON.parse(document.getElementById("document")!.textContent!) as PageDocument;
  const store = (window.gatewise = new Store(described));
  const progress = make("progress", { max: 1, "aria-label": "Computing" });
  store.progress = (share) => {
    progress.hidden = share >= 1;
    progress.value = share;
  };
  page.replaceChildren(heading(described), progress);
  await store.begin();
  const cell = new CellView(store);
  const start = make(
    "button",
    { type: "button", class: "primary tour-start", onclick: () => void tour.begin() },
    "Take the tour",
  );
  const tour = new Tour(store, cell, () => start.focus());
  const views: View[] = [
    firstView(store),
    new Maps(store),
    cell,
    new LedgerView(store),
    new GradientView(store),
    new WhatIf(store),
    new Health(store),
  ];
  const inspector = new Inspector(store);
  for (const view of [...views, inspector]) store.add(view);
  page.querySelector(".title-row")!.append(start);
  const [reading, ...others] = views.map((view) => view.element);
  page.append(
    navigation(changedBadge(store)),
    make(
      "div",
      { class: "layout" },
      reading,
      inspector.element,
      make("div", { class: "views" }, ...others),
    ),
    make(
      "footer",
      {},
      "Arrow keys: step and unit · Home, End: first and last step · + and −: zoom. Made with Gatewise; this file loads and sends nothing.",
    ),
    tour.element,
    inspector.dock,
  );
  listen(store, tour);
  store.mark("run");
  store.mark("gradient");
  store.flush();
  document.documentElement.dataset.ready = "true";
}

/** The input, in the form that it has. */
function firstView(store: Store): View {
  if (store.network.forecast) return new SeriesView(store);
  return store.tokenizer ? new Reading(store) : new Signal(store);
}

function heading({ title, about }: PageDocument): HTMLElement {
  return make(
    "header",
    {},
    make("div", { class: "title-row" }, make("h1", {}, title)),
    make("p", { class: "about" }, about),
  );
}

function navigation(badge: HTMLElement): HTMLElement {
  return make(
    "nav",
    { "aria-label": "Parts of this page" },
    ...PLACES.map(([id, text]) =>
      make("a", { href: `#${id}`, onclick: (event: Event) => goTo(event, id) }, text),
    ),
    badge,
  );
}

/** In a notebook's frame a link would lead away, to the notebook: so the page moves by itself. */
function goTo(event: Event, id: string): void {
  event.preventDefault();
  document.getElementById(id)!.scrollIntoView();
  document.getElementById(`${id}-title`)!.focus({ preventScroll: true });
}

/** Says, wherever the reader is, that the model or its input is changed. */
function changedBadge(store: Store): HTMLElement {
  const badge = make(
    "div",
    { class: "badge", role: "status", hidden: true },
    "Changed ",
    make("button", { type: "button", onclick: () => void store.reset() }, "Back to the original"),
  );
  store.add({ element: badge, update: () => (badge.hidden = !store.isChanged) });
  return badge;
}

function listen(store: Store, tour: Tour): void {
  const keys: Record<string, () => void> = {
    ArrowLeft: () => store.setCursor(store.cursor - 1),
    ArrowRight: () => store.setCursor(store.cursor + 1),
    ArrowUp: () => store.setUnit(store.unit - 1),
    ArrowDown: () => store.setUnit(store.unit + 1),
    Home: () => store.setCursor(0),
    End: () => store.setCursor(store.T - 1),
    "+": () => store.zoom((store.to - store.from) / 2),
    "-": () => store.zoom((store.to - store.from) * 2),
  };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && tour.isOpen) return tour.end();
    const typing = (event.target as HTMLElement).closest("input, textarea, select, .scroll");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  const redraw = () => store.mark("size" as Aspect);
  new ResizeObserver(redraw).observe(document.getElementById("explorer")!);
  whenThemeChanges(redraw);
}

void begin();
