// Keeps "12 s ago" up to date, in the same words as the server's.

const STEPS = [[60, "s", 1], [3600, "min", 60], [2 * 86400, "h", 3600], [Infinity, "d", 86400]];

export function ageing(words) {
  setInterval(() => {
    if (document.hidden) return;
    for (const time of document.querySelectorAll("time[datetime]")) {
      const ago = time.querySelector(".ago");
      if (!ago) continue;
      const text = distance((Date.now() - Date.parse(time.dateTime)) / 1000, words);
      if (ago.textContent !== text) ago.textContent = text;
    }
  }, 1000);
}

function distance(seconds, words) {
  const size = Math.abs(seconds);
  const [, unit, length] = STEPS.find(([limit]) => size < limit);
  return words[`time.${seconds >= 0 ? "ago" : "in"}_${unit}`].replace("{n}", Math.floor(size / length));
}
