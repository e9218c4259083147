// One run under the pointer or the focus stands out: in the plot, in the legend and in the table.
(function () {
  const plot = document.querySelector(".parallel");
  if (!plot) return;
  const shapes = new Map([...plot.querySelectorAll("[data-run]")].map(g => [g.dataset.run, g]));
  function show(run) { plot.classList.toggle("one", run !== null); for (const [id, g] of shapes) g.classList.toggle("lit", id === run); if (run !== null && shapes.has(run)) shapes.get(run).parentNode.append(shapes.get(run)); }
  for (const [id, g] of shapes) { g.addEventListener("pointerenter", () => show(id)); g.addEventListener("pointerleave", () => show(null)); g.addEventListener("click", () => { location.href = "/runs/" + encodeURIComponent(id); }); }
  for (const item of document.querySelectorAll("#chart-runs li[data-run]")) { item.addEventListener("pointerenter", () => show(item.dataset.run)); item.addEventListener("pointerleave", () => show(null)); item.addEventListener("focusin", () => show(item.dataset.run)); item.addEventListener("focusout", () => show(null)); }
})();
