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

  const form = document.getElementById("selection");
  if (!form) return;
  const store = "takt-chosen-" + card.dataset.experiment, said = document.getElementById("selected"), boxes = [...form.querySelectorAll("tbody input[type=checkbox]")], all = document.getElementById("pick-all");
  const picked = new Set(JSON.parse(sessionStorage.getItem(store) || "[]"));
  function show() {
    for (const b of boxes) { b.checked = picked.has(b.value); b.closest("tr").classList.toggle("picked", b.checked); }
    all.checked = boxes.length > 0 && boxes.every(b => b.checked);
    all.indeterminate = !all.checked && boxes.some(b => b.checked);
    said.textContent = picked.size === 0 ? "none selected" : picked.size + " selected";
    sessionStorage.setItem(store, JSON.stringify([...picked]));
  }
  const set = (b, on) => { if (on) picked.add(b.value); else picked.delete(b.value); };
  let last = null;
  form.addEventListener("click", event => {
    const box = event.target.closest("tbody input[type=checkbox]");
    if (!box) return;
    if (event.shiftKey && last) { const [a, z] = [boxes.indexOf(last), boxes.indexOf(box)].sort((x, y) => x - y); for (const b of boxes.slice(a, z + 1)) set(b, box.checked); }
    set(box, box.checked); last = box; show();
  });
  all.addEventListener("change", () => { for (const b of boxes) set(b, all.checked); show(); });
  form.addEventListener("submit", event => { event.preventDefault(); if (picked.size > 0) location.href = "/compare?run=" + [...picked].map(encodeURIComponent).join(","); });
  show();

  const rows = [...form.querySelectorAll("tbody tr")];
  let at = -1;
  function move(to) { at = Math.max(0, Math.min(rows.length - 1, to)); rows.forEach((r, i) => r.classList.toggle("here", i === at)); const link = rows[at].querySelector("a"); link.focus({ preventScroll: true }); rows[at].scrollIntoView({ block: "nearest" }); }
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.nodeName) && event.target.type !== "checkbox") return;
    if (event.key === "/") { event.preventDefault(); filter.focus(); }
    else if (event.key === "j") move(at + 1);
    else if (event.key === "k") move(at - 1);
    else if (event.key === "x" && at >= 0) { set(boxes[at], !boxes[at].checked); show(); }
    else if (event.key === "c") form.requestSubmit();
  });
})();
