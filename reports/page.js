"use strict";
// The page is whole without this: it only copies, unfolds for printing, and opens what a link names.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}
addEventListener("beforeprint", () => {
  for (const fold of document.querySelectorAll("details.finding")) fold.open = true;
});
const unfold = () => {
  const named = location.hash && document.getElementById(location.hash.slice(1));
  if (named && named.tagName === "DETAILS") named.open = true;
};
addEventListener("hashchange", unfold);
unfold();
