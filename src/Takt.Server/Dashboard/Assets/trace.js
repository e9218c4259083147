// The spans of a trace: a branch folds and unfolds, spans are found by name, errors are shown alone. In a large trace the deeper branches begin folded.
(function () {
  const rows = [...document.querySelectorAll("#spans .span")], depth = rows.map(r => +r.dataset.depth), names = rows.map(r => r.querySelector("b").textContent.toLowerCase());
  const find = document.getElementById("span-find"), errors = document.getElementById("span-errors"), all = document.getElementById("span-all"), note = document.getElementById("span-note"), hint = note.textContent;
  const many = 100, usual = 60, folded = new Set();
  let level = 1; // as many levels as fit about two screens
  while (depth.filter(d => d <= level + 1).length <= usual && depth.some(d => d > level)) level++;
  const end = rows.map((r, i) => { let j = i + 1; while (j < rows.length && depth[j] > depth[i]) j++; return j; }), below = i => end[i] - i - 1;
  function show() {
    const wanted = find.value.trim().toLowerCase(), looked = wanted !== "" || errors.checked;
    let found = 0, until = 0;
    const kept = new Set(), way = [];
    if (looked) rows.forEach((row, i) => { // what is found, and the way to it
      way.length = depth[i] + 1; way[depth[i]] = i;
      if (names[i].includes(wanted) && (!errors.checked || row.classList.contains("bad"))) { found++; for (const at of way) if (at !== undefined) kept.add(at); }
    });
    rows.forEach((row, i) => {
      row.hidden = looked ? !kept.has(i) : i < until;
      if (!looked && i >= until && folded.has(i)) until = end[i];
      const mark = row.querySelector(".branch");
      mark.textContent = below(i) === 0 ? "" : folded.has(i) && !looked ? "▸ " + below(i) : "▾";
      if (below(i) > 0) row.querySelector("summary").setAttribute("aria-description", below(i) + " spans below" + (folded.has(i) && !looked ? ", folded" : ""));
    });
    all.textContent = folded.size ? "Unfold all" : "Fold all"; all.hidden = looked;
    note.textContent = looked ? found + " of " + rows.length : hint;
  }
  const fold = (i, on) => { if (on && below(i) > 0) folded.add(i); else folded.delete(i); show(); };
  rows.forEach((row, i) => {
    if (rows.length > many && depth[i] >= level && below(i) > 0) folded.add(i);
    row.querySelector("summary").addEventListener("click", event => { if (event.target.closest(".branch") && below(i) > 0) { event.preventDefault(); fold(i, !folded.has(i)); } });
    row.querySelector("summary").addEventListener("keydown", event => {
      if (event.key === "ArrowLeft" || event.key === "ArrowRight") { event.preventDefault(); fold(i, event.key === "ArrowLeft"); }
      else if (event.key === "ArrowDown" || event.key === "ArrowUp") { const shown = rows.filter(r => !r.hidden), to = shown[shown.indexOf(row) + (event.key === "ArrowDown" ? 1 : -1)]; if (to) { event.preventDefault(); to.querySelector("summary").focus(); } }
    });
  });
  find.addEventListener("input", show);
  errors.addEventListener("change", show);
  all.addEventListener("click", () => { const open = folded.size > 0; folded.clear(); if (!open) rows.forEach((row, i) => { if (below(i) > 0) folded.add(i); }); show(); });
  show();
})();
