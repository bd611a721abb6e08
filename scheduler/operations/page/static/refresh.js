// Puts what the page says now in place of what it said, every few seconds while somebody looks.
"use strict";

const EVERY = 5000;
const LIMIT = 10000; // what was asked of a box that went away is never answered
let reading = false;

async function refresh() {
  if (document.hidden || reading) return;
  reading = true;
  const note = document.getElementById("freshness");
  try {
    const answer = await fetch(location.pathname, {
      cache: "no-store",
      signal: AbortSignal.timeout(LIMIT),
    });
    if (!answer.ok) throw new Error(answer.statusText);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const focused = document.activeElement && document.activeElement.id;
    for (const open of document.querySelectorAll("details[open]")) {
      page.getElementById(open.id)?.setAttribute("open", "");
    }
    document.querySelector("main").replaceWith(page.querySelector("main"));
    document.title = page.title;
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    note.hidden = true;
  } catch {
    note.hidden = false;
  } finally {
    reading = false;
  }
}

setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", refresh);
