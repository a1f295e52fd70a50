/* Entrepot: the page’s only own script: copying, the theme, "/" and Escape.
   Everything works without it: commands can be selected, the theme is a link too. */
(() => {
  "use strict";
  const root = document.documentElement;
  const say = (text) => {
    const live = document.getElementById("live");
    if (live) { live.textContent = ""; setTimeout(() => { live.textContent = text; }, 30); }
  };

  for (const here of document.querySelectorAll(".tabs [aria-current], nav.side-nav [aria-current]")) {
    const strip = here.closest(".tabs, .side-nav");
    strip.scrollLeft = here.offsetLeft - strip.offsetLeft - (strip.clientWidth - here.offsetWidth) / 2;
  }

  document.addEventListener("click", async (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      const source = document.getElementById(copy.dataset.copy);
      const text = source ? (source.value ?? source.innerText) : "";
      try { await navigator.clipboard.writeText(text.trim()); }
      catch { const range = document.createRange(); range.selectNodeContents(source); const s = getSelection(); s.removeAllRanges(); s.addRange(range); return; }
      copy.dataset.done = "";
      say(copy.dataset.said || "Copied");
      setTimeout(() => delete copy.dataset.done, 1600);
      return;
    }
    const theme = event.target.closest("[data-theme-switch]");
    if (theme) {
      event.preventDefault();
      const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      const next = dark ? "light" : "dark";
      root.dataset.theme = next;
      document.cookie = `theme=${next};path=/;max-age=31536000;samesite=lax`;
      return;
    }
    const open = event.target.closest("[data-opens]");
    if (open) { document.getElementById(open.dataset.opens)?.showModal(); return; }
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const field = document.getElementById("q");
      if (field) { event.preventDefault(); field.focus(); field.select(); }
    }
    if (event.key === "Escape") {
      const menu = event.target.closest("details.menu[open]");
      if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
      if (event.target.id === "q") event.target.blur();
    }
    const search = event.target.closest?.(".search");
    if (search && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      const stops = [search.querySelector("input"), ...search.querySelectorAll(".suggest a")];
      const at = stops.indexOf(document.activeElement);
      const to = stops[at + (event.key === "ArrowDown" ? 1 : -1)];
      if (to) { event.preventDefault(); to.focus(); }
    }
  });

  root.dataset.js = "";
  document.addEventListener("change", (event) => event.target.form?.matches("[data-submits]") && event.target.form.requestSubmit());

  const field = document.querySelector("[data-suggest]");
  const list = document.getElementById("suggest");
  let waits, asked = "";
  field?.addEventListener("input", () => {
    clearTimeout(waits);
    waits = setTimeout(async () => {
      const typed = asked = field.value.trim();
      const answer = typed && await fetch(`${field.dataset.suggest}?q=${encodeURIComponent(typed)}`, { headers: { accept: "text/html" } }).catch(() => null);
      if (asked !== typed) return;
      list.innerHTML = answer?.ok ? await answer.text() : "";
      list.hidden = !list.childElementCount;
      if (!list.hidden) say(field.dataset.said);
    }, 80);
  });
})();
