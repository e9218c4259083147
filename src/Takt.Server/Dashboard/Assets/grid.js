// The runs table: keys to complete the filter with, the choice of columns, the keyboard, and which runs are chosen across its pages.
(function () {
  const card = document.querySelector(".runs"), filter = document.getElementById("filter"), list = document.getElementById("keys"), groups = document.getElementById("groups");
  let keys = null, asked = null;
  const ask = () => asked ||= fetch("/runs/keys?experiment=" + encodeURIComponent(card.dataset.experiment)).then(r => r.json()).then(found => {
    keys = found;
    for (const key of keys.filter(k => !k.startsWith("metrics.")).slice(0, 500)) groups.append(new Option("", key));
    complete();
    card.dataset.keys = keys.length;
  });
  function complete() { // a datalist replaces the whole text, so each offer begins with what is there
    const before = /^(.*\band\s+)?([^\s'"]*)$/i.exec(filter.value);
    list.replaceChildren();
    if (!before || !keys) return;
    for (const key of keys.concat("status", "run_name", "user_id", "start_time", "end_time", "run_id").filter(k => k.startsWith(before[2])).slice(0, 60)) list.append(new Option("", (before[1] || "") + key + " "));
  }
  filter.addEventListener("focus", ask);
  filter.addEventListener("input", complete);
  document.querySelector("[name=group]").addEventListener("focus", ask);

  const dialog = document.getElementById("columns"), cols = document.getElementById("cols"), box = document.getElementById("column-list"), find = document.getElementById("find-column"), note = document.getElementById("column-note");
  const chosen = () => { const parts = []; let part = "", quoted = false; for (const c of cols.value + ",") { if (c === "`") quoted = !quoted; if (c === "," && !quoted) { if (part.trim()) parts.push(part.trim()); part = ""; } else part += c; } return parts; };
  const attributes = ["run_id", "start_time", "end_time"], most = 300;
  function offer() {
    const now = new Set(chosen()), wanted = find.value.toLowerCase(), all = (keys || []).concat(attributes), found = all.filter(k => k.toLowerCase().includes(wanted));
    box.replaceChildren(...found.slice(0, most).map(key => {
      const label = document.createElement("label"), input = document.createElement("input");
      input.type = "checkbox"; input.checked = now.has(key);
      input.addEventListener("change", () => { const next = chosen().filter(k => k !== key); if (input.checked) next.push(key); cols.value = next.join(","); });
      label.append(input, key);
      return label;
    }));
    note.textContent = found.length > most ? "the first " + most + " of " + found.length + "; type more of the name" : found.length + " of " + all.length + " keys of the newest and the oldest runs; any other can be typed above";
    dialog.dataset.ready = found.length;
  }
  document.getElementById("choose-columns").addEventListener("click", () => { dialog.showModal(); ask().then(offer); });
  document.getElementById("cancel-columns").addEventListener("click", () => dialog.close());
  find.addEventListener("input", offer);
  find.addEventListener("keydown", event => { if (event.key === "Enter") event.preventDefault(); });
  cols.addEventListener("input", offer);

  // remembered for this table in this browser, of the 50 tables that were chosen for last
  const remembered = () => JSON.parse(localStorage.getItem("takt-columns") || "{}");
  dialog.querySelector("form").addEventListener("submit", () => {
    const all = remembered(), table = card.dataset.experiment;
    delete all[table];
    if (cols.value.trim() && document.getElementById("remember-columns").checked) all[table] = cols.value.trim();
    localStorage.setItem("takt-columns", JSON.stringify(Object.fromEntries(Object.entries(all).slice(-50))));
  });
  document.getElementById("usual-columns").addEventListener("click", () => { cols.value = ""; dialog.querySelector("form").requestSubmit(); });

  const form = document.getElementById("selection");
  if (!form) return;
  const store = "takt-chosen-" + card.dataset.experiment, said = document.getElementById("selected"), body = form.querySelector("tbody"), all = document.getElementById("pick-all");
  const boxes = () => [...body.querySelectorAll("input[type=checkbox]")], rows = () => [...body.querySelectorAll("tr[data-run]")];
  const picked = new Set(JSON.parse(sessionStorage.getItem(store) || "[]")), together = document.querySelector(".together"), unselect = document.getElementById("unselect");
  if (/[?&](deleted|restored)-now=/.test(location.search)) picked.clear(); // what was chosen has gone where it should
  function show() {
    const shown = boxes();
    for (const b of shown) { b.checked = picked.has(b.value); b.closest("tr").classList.toggle("picked", b.checked); }
    all.checked = shown.length > 0 && shown.every(b => b.checked);
    all.indeterminate = !all.checked && shown.some(b => b.checked);
    said.textContent = picked.size === 0 ? "none selected" : picked.size + " selected";
    together.disabled = picked.size === 0; unselect.hidden = picked.size === 0;
    document.getElementById("together-runs").value = [...picked].join(",");
    document.getElementById("together-count").textContent = picked.size === 1 ? "1 run" : picked.size + " runs";
    sessionStorage.setItem(store, JSON.stringify([...picked]));
  }
  const set = (b, on) => { if (on) picked.add(b.value); else picked.delete(b.value); };
  let last = null;
  form.addEventListener("click", event => {
    const toggle = event.target.closest("a.toggle");
    if (toggle) { event.preventDefault(); turn(toggle); return; }
    const box = event.target.closest("tbody input[type=checkbox]");
    if (!box) return;
    if (event.shiftKey && last) { const shown = boxes(), [a, z] = [shown.indexOf(last), shown.indexOf(box)].sort((x, y) => x - y); for (const b of shown.slice(Math.max(0, a), z + 1)) set(b, box.checked); }
    set(box, box.checked); last = box; show();
  });
  all.addEventListener("change", () => { for (const b of boxes()) set(b, all.checked); show(); });
  unselect.addEventListener("click", () => { picked.clear(); show(); });
  form.addEventListener("submit", event => { event.preventDefault(); if (picked.size > 0) location.href = "/compare?run=" + [...picked].map(encodeURIComponent).join(","); });

  // a run's parts stand below it once they are asked for; which ones are open outlives a look at another page
  const opened = "takt-open-" + card.dataset.experiment, open = new Set(JSON.parse(sessionStorage.getItem(opened) || "[]")), table = form.querySelector("table");
  const columns = [...table.querySelectorAll("th[data-column]")].map(th => th.dataset.column).join(",");
  const keep = () => sessionStorage.setItem(opened, JSON.stringify([...open].slice(-100)));
  async function turn(toggle) {
    const row = toggle.closest("tr"), depth = +(row.dataset.depth || 0), id = row.dataset.run;
    if (toggle.getAttribute("aria-expanded") === "true") {
      toggle.setAttribute("aria-expanded", "false"); open.delete(id); keep();
      for (let next = row.nextElementSibling; next && (next.classList.contains("more") || +(next.dataset.depth || 0) > depth); next = row.nextElementSibling) next.remove();
      return;
    }
    toggle.setAttribute("aria-expanded", "true"); open.add(id); keep();
    const answer = await fetch("/runs/" + encodeURIComponent(id) + "/parts?depth=" + Math.min(6, depth + 1) + "&shape=" + table.dataset.shape + (columns ? "&cols=" + encodeURIComponent(columns) : ""));
    if (!answer.ok) { toggle.setAttribute("aria-expanded", "false"); location.href = toggle.href; return; }
    const holder = document.createElement("tbody");
    holder.innerHTML = await answer.text();
    const below = [...holder.children];
    row.after(...below);
    show();
    for (const one of below) { const inner = one.querySelector("a.toggle"); if (inner && open.has(one.dataset.run)) turn(inner); }
  }
  body.addEventListener("keydown", event => { if (event.key === " " && event.target.matches("a.toggle")) { event.preventDefault(); turn(event.target); } });
  for (const row of rows()) if (open.has(row.dataset.run) && row.querySelector("a.toggle")) turn(row.querySelector("a.toggle"));
  show();

  let at = -1;
  function move(to) { const shown = rows(); at = Math.max(0, Math.min(shown.length - 1, to)); shown.forEach((r, i) => r.classList.toggle("here", i === at)); const link = shown[at].querySelector("a.open"); link.focus({ preventScroll: true }); shown[at].scrollIntoView({ block: "nearest" }); }
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]") || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.nodeName) && event.target.type !== "checkbox") return;
    if (event.key === "/") { event.preventDefault(); filter.focus(); }
    else if (event.key === "j") move(at + 1);
    else if (event.key === "k") move(at - 1);
    else if (event.key === "x" && at >= 0) { const box = rows()[at].querySelector("input[type=checkbox]"); set(box, !box.checked); show(); }
    else if (event.key === "o" && at >= 0) { const toggle = rows()[at].querySelector("a.toggle"); if (toggle) turn(toggle); }
    else if (event.key === "c") form.requestSubmit();
  });
})();
