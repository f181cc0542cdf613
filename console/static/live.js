// Live parts of a page: the server sends each part again, as a server-sent event, when it has changed.
// Readers keep their place: focus, opened details and typed text stay as they are.

export function going(arrived) {
  const mark = document.querySelector("[data-live-switch]");
  if (!mark || !window.EventSource) return;
  const words = mark.querySelector("[data-live-words]");
  const button = mark.querySelector("button");
  let source = null;
  let paused = false;

  function show(state) {
    mark.hidden = false;
    mark.dataset.state = state;
    words.textContent = words.dataset[state];
    button.textContent = paused ? button.dataset.resume : button.dataset.pause;
  }

  function start() {
    if (source || paused || document.hidden) return;
    const address = new URL(mark.dataset.from, location.href);
    address.searchParams.set("live", "1");
    source = new EventSource(address);
    source.addEventListener("open", () => show("on"));
    source.addEventListener("part", (event) => {
      show("on");
      put(JSON.parse(event.data), arrived);
    });
    source.addEventListener("trouble", () => show("lost"));
    source.addEventListener("error", () => show("lost"));
  }

  function stop() {
    source?.close();
    source = null;
  }

  button.addEventListener("click", () => {
    paused = !paused;
    if (paused) {
      stop();
      show("off");
    } else {
      start();
    }
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  window.addEventListener("pagehide", stop);
  start();
}

function put({ name, html }, arrived) {
  const part = document.getElementById(`part-${name}`);
  if (!part || part.dataset.html === html) return;
  if (isBusy(part)) {
    part.waiting = html;
    part.addEventListener("focusout", () => put({ name, html: part.waiting }, arrived), { once: true });
    return;
  }
  const isFirst = part.dataset.html === undefined;
  part.dataset.html = html;
  const known = new Set([...part.querySelectorAll("[data-row]")].map((row) => row.dataset.row));
  const said = part.querySelector("[data-announce]")?.textContent.trim();
  const open = new Set([...part.querySelectorAll("details[open][id]")].map((details) => details.id));
  const focused = place(part);
  part.innerHTML = html;
  for (const details of part.querySelectorAll("details[id]")) details.open ||= open.has(details.id);
  focused?.();
  if (!isFirst) {
    for (const row of part.querySelectorAll("[data-row]")) if (!known.has(row.dataset.row)) row.classList.add("arrived");
  }
  const says = part.querySelector("[data-announce]")?.textContent.trim();
  if (says && says !== said) document.getElementById("announce").textContent = says;
  arrived(part);
}

// Whether the reader is filling in a form in this part: the part must not be replaced then.
function isBusy(part) {
  const active = document.activeElement;
  return part.contains(active) && active.matches("input, textarea, select");
}

// A function that returns the focus to the same link or button, wherever that is after a change.
function place(part) {
  const active = document.activeElement;
  if (!part.contains(active)) return null;
  const all = (root) => [...root.querySelectorAll("a, button, summary, [tabindex]")];
  const same = (one) => one.tagName === active.tagName && one.outerHTML === active.outerHTML;
  const index = all(part).indexOf(active);
  return () => (all(part).find(same) ?? all(part)[index])?.focus({ preventScroll: true });
}
