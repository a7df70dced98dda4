// What makes pages live: they load themselves again when the server says that something has changed, and what the
// reader has opened, chosen, typed and zoomed stays. Without this script they work as well.
"use strict";

const main = document.getElementById("main");

// ── Theme ──

const theme = document.getElementById("theme");
theme.hidden = false;
theme.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("torpor-theme", root.dataset.theme);
  } catch {
    // no storage: until the page is left
  }
});

// ── Zoom ──

const view = { from: 0, width: 100 };

function zoom(how, at = 50) {
  const middle = view.from + (view.width * at) / 100;
  if (how === "all") Object.assign(view, { from: 0, width: 100 });
  if (how === "in" || how === "out") {
    view.width = Math.min(100, Math.max(0.05, view.width * (how === "in" ? 0.5 : 2)));
    view.from = middle - (view.width * at) / 100;
  }
  if (how === "left") view.from -= view.width / 4;
  if (how === "right") view.from += view.width / 4;
  view.from = Math.max(0, Math.min(100 - view.width, view.from));
  applyZoom();
}

function applyZoom() {
  const scale = 100 / view.width;
  for (const drawn of document.querySelectorAll("svg.zoomed")) {
    drawn.setAttribute("x", `${-view.from * scale}%`);
    drawn.setAttribute("width", `${100 * scale}%`);
  }
}

function showTools() {
  document.getElementById("zoom")?.removeAttribute("hidden");
  document.getElementById("all")?.removeAttribute("hidden");
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-zoom]");
  if (button) zoom(button.dataset.zoom);
});

document.addEventListener(
  "wheel",
  (event) => {
    const picture = event.ctrlKey && event.target.closest?.(".picture");
    if (!picture) return;
    event.preventDefault();
    const box = picture.getBoundingClientRect();
    zoom(event.deltaY < 0 ? "in" : "out", (100 * (event.clientX - box.left)) / box.width);
  },
  { passive: false },
);

// ── Travelling ──

let going = null;

async function go(address) {
  going = address;
  while (going) {
    const next = going;
    going = null; // the newest wish counts: those between are passed over
    await renew(next);
    history.replaceState(null, "", next);
  }
}

let onTheWay = false;

document.addEventListener("input", (event) => {
  if (event.target.dataset?.travel === undefined) return;
  const address = new URL(location.href);
  address.searchParams.set("at", event.target.value);
  address.searchParams.delete("since");
  going = address;
  if (onTheWay) return;
  onTheWay = true;
  go(address).finally(() => (onTheWay = false));
});

document.addEventListener("click", (event) => {
  const link = event.target.closest?.(".steps a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(link.href).then(() => {
    document.getElementById("at").value = document.getElementById("at").getAttribute("value");
  });
});

// ── Choosing, asking ──

document.addEventListener("change", (event) => {
  if (event.target.id === "all") {
    for (const box of document.querySelectorAll("#chosen input[name=run]")) box.checked = event.target.checked;
  }
});

document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (button?.classList.contains("danger") && !confirm(`${button.textContent.trim()}?`)) event.preventDefault();
});

document.addEventListener("keydown", (event) => {
  const enters = event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches?.("form textarea");
  if (enters) event.target.form.requestSubmit();
});

// ── Live ──

const MORPH = {
  morphStyle: "outerHTML",
  ignoreActiveValue: true,
  callbacks: {
    beforeNodeMorphed: (old, renewed) => !(old.dataset?.keep !== undefined && old.id === renewed.id),
    beforeAttributeUpdated: (name, node) =>
      !((name === "open" && node.tagName === "DETAILS") || name === "checked" || (name === "hidden" && node.id === "all")),
  },
};

let asking = false;
let again = false;

async function renew(address = location.href) {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  try {
    const response = await fetch(address, { headers: { accept: "text/html" } });
    if (response.redirected) location.reload(); // signed out
    if (!response.ok) return;
    const renewed = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("main");
    renewed.querySelector(".said")?.remove();
    Idiomorph.morph(main, renewed, MORPH);
    applyZoom();
    main.dataset.renewed = String(Number(main.dataset.renewed ?? 0) + 1);
  } catch {
    // the server is away; the connection comes back by itself, and then all is asked for
  } finally {
    asking = false;
    if (again) {
      again = false;
      renew();
    }
  }
}

function listen(address) {
  const sign = document.getElementById("live");
  const source = new EventSource(address);
  source.addEventListener("open", () => {
    sign.hidden = false;
    sign.classList.remove("away");
    renew(); // for what has happened since the page was made
  });
  source.addEventListener("changed", () => renew());
  source.addEventListener("error", () => sign.classList.add("away"));
  addEventListener("pagehide", () => source.close());
}

// What was said once is not said again when the page is loaded again.
const here = new URL(location.href);
if (here.searchParams.has("said")) {
  here.searchParams.delete("said");
  history.replaceState(null, "", here);
}

for (const current of document.querySelectorAll(".tabs [aria-current], .top nav [aria-current]")) {
  current.scrollIntoView({ inline: "center", block: "nearest" }); // where they do not fit in
}

showTools();
applyZoom();
if (main.dataset.live) listen(main.dataset.live);
