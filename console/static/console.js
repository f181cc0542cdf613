// Scripts add conveniences to pages that work without them: live parts, updated times, copying, forms sent only once.

import { copying } from "./copying.js";
import { going } from "./live.js";
import { ageing } from "./times.js";

const words = JSON.parse(document.body.dataset.words || "{}");

copying(words);
ageing(words);
going((part) => copying(words, part));

// "/" jumps to the search field, as in most tools of this kind.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select")) return;
  const field = document.querySelector('[data-key="/"]');
  if (field) {
    event.preventDefault();
    field.focus();
  }
});

// A form is sent once, however often its button is pressed. Returning to the page enables it again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  setTimeout(() => form.querySelectorAll("button").forEach((button) => (button.disabled = true)));
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("button:disabled").forEach((button) => (button.disabled = false));
});
