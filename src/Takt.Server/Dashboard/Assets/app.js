// What every page shares: dialogs, finding in a table, and the addresses that MLflow's clients print.
(function () {
  // "View run at http://host/#/experiments/1/runs/ID": the part behind # never reaches the server
  const place = /^#\/experiments\/(\d+)(?:\/runs\/([\w-]+)|(\/traces)|\/models\/([\w-]+))?/.exec(location.hash), model = /^#\/(?:models|prompts)\/([^/?]+)(?:\/versions\/(\d+))?/.exec(location.hash);
  const trace = /[?&]selected(?:Evaluation|Trace)Id=([\w%-]+)/.exec(location.hash), together = /^#\/compare-runs\?(.*)/.exec(location.hash);
  if (trace) location.replace("/traces/" + trace[1]);
  else if (together) location.replace("/compare?run=" + (new URLSearchParams(together[1]).get("runs") || "").replace(/[^\w,-]/g, ""));
  else if (place) location.replace(place[2] ? "/runs/" + place[2] : place[3] ? "/traces?experiment=" + place[1] : place[4] ? "/logged-models/" + place[4] : "/runs?experiment=" + place[1]);
  else if (model) location.replace("/models/" + model[1] + (model[2] ? "/" + model[2] : ""));

  // a link to what is folded (a stage of a run) opens it
  function unfold() { const at = document.getElementById(decodeURIComponent(location.hash.slice(1))); if (at instanceof HTMLDetailsElement) { at.open = true; at.scrollIntoView(); } }
  addEventListener("hashchange", unfold);
  if (/^#[^/]/.test(location.hash)) unfold();

  // navigator.clipboard is there on https and on loopback only
  async function toClipboard(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const field = document.createElement("textarea");
    field.value = text; document.body.append(field); field.select(); document.execCommand("copy"); field.remove();
  }
  document.addEventListener("click", event => {
    const open = event.target.closest("[data-dialog]"), close = event.target.closest("[data-close]");
    const copy = event.target.closest("[data-copy]");
    if (copy) toClipboard(copy.dataset.copy).then(() => { copy.textContent = "Copied"; setTimeout(() => { copy.textContent = "Copy"; }, 2000); });
    if (open) document.getElementById(open.dataset.dialog).showModal();
    if (close) close.closest("dialog").close();
    if (event.target.nodeName === "DIALOG") event.target.close(); // the backdrop
  });
  document.addEventListener("change", event => { if (event.target.matches("[data-submit]")) event.target.form.requestSubmit(); });
  document.addEventListener("submit", event => { // an empty field is no part of the address
    if (event.target.method !== "get") return;
    for (const field of event.target.elements) if (field.name && !field.value && !field.disabled) { field.disabled = true; setTimeout(() => { field.disabled = false; }); }
  });
  // a drawing or a row of places that is wider than the screen begins where the reader is
  const middle = (box, part) => { const a = box.getBoundingClientRect(), b = part.getBoundingClientRect(); box.scrollLeft += b.left - a.left - (a.width - b.width) / 2; };
  for (const here of document.querySelectorAll(".top nav a[aria-current], .drawing .busy")) middle(here.closest("nav, .scroll"), here);
  document.addEventListener("keydown", event => { if (event.key === " " && event.target.matches("a[role=switch]")) { event.preventDefault(); event.target.click(); } });

  document.addEventListener("keydown", event => { // as the runs table does: / goes to what narrows the page
    if (event.key !== "/" || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || event.target.closest("input, select, textarea")) return;
    const field = [...document.querySelectorAll("main input[type=search], main input[name=filter]")].find(f => f.offsetParent);
    if (field) { event.preventDefault(); field.focus(); }
  });

  // a part of the page that follows what it tells of, until it is over or the reader pauses
  const part = document.querySelector("[data-refresh]"), hold = document.getElementById("hold"), held = document.getElementById("held");
  if (part) {
    let paused = false;
    const timer = setInterval(async () => {
      if (paused || document.hidden || document.querySelector("dialog[open]") || part.contains(document.activeElement)) return;
      try {
        const answer = await fetch(location.pathname + "?part=live");
        if (!answer.ok) throw new Error();
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
        if (!fresh.dataset.refresh) { clearInterval(timer); location.reload(); return; } // over: what can be done now is another thing
        const opened = [...part.querySelectorAll("details")].map(d => d.open);
        part.innerHTML = fresh.innerHTML;
        [...part.querySelectorAll("details")].forEach((d, i) => { d.open = opened[i] ?? d.open; });
        part.dataset.news = +(part.dataset.news || 0) + 1;
        held.textContent = "this page follows the rollout";
      } catch { held.textContent = "the server does not answer; trying again"; }
    }, part.dataset.refresh * 1000);
    hold.addEventListener("click", () => { paused = !paused; hold.textContent = paused ? "Resume updates" : "Pause updates"; hold.setAttribute("aria-pressed", paused); held.textContent = paused ? "paused" : "this page follows the rollout"; });
  }
  for (const find of document.querySelectorAll(".values .find")) find.addEventListener("input", () => {
    const wanted = find.value.toLowerCase();
    for (const row of find.closest(".values").querySelectorAll("tbody tr")) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
})();
