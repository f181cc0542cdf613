// Buttons that copy an id, or the text of another element. They are hidden if the browser cannot copy.

export function copying(words, within = document) {
  if (!navigator.clipboard) return;
  for (const button of within.querySelectorAll("[data-copy], [data-copy-from]")) {
    if (!button.hidden) continue;
    button.hidden = false;
    button.addEventListener("click", () => copy(button, words));
  }
}

async function copy(button, words) {
  const source = button.dataset.copyFrom;
  const text = source ? document.getElementById(source).textContent : button.dataset.copy;
  await navigator.clipboard.writeText(text);
  button.classList.add("copied");
  document.getElementById("announce").textContent = words["script.copied"];
  setTimeout(() => button.classList.remove("copied"), 1500);
}
