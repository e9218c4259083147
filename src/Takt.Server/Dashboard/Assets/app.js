// What every page shares: dialogs, finding in a table, and the addresses that MLflow's clients print.
(function () {
  // "View run at http://host/#/experiments/1/runs/ID": the part behind # never reaches the server
  const place = /^#\/experiments\/(\d+)(?:\/runs\/([\w-]+)|(\/traces))?/.exec(location.hash), model = /^#\/models\/([^/?]+)(?:\/versions\/(\d+))?/.exec(location.hash);
  if (place) location.replace(place[2] ? "/runs/" + place[2] : place[3] ? "/traces?experiment=" + place[1] : "/runs?experiment=" + place[1]);
  else if (model) location.replace("/models/" + model[1] + (model[2] ? "/" + model[2] : ""));

  document.addEventListener("click", event => {
    const open = event.target.closest("[data-dialog]"), close = event.target.closest("[data-close]");
    const copy = event.target.closest("[data-copy]");
    if (copy && navigator.clipboard) navigator.clipboard.writeText(copy.dataset.copy).then(() => { copy.textContent = "Copied"; });
    if (open) document.getElementById(open.dataset.dialog).showModal();
    if (close) close.closest("dialog").close();
    if (event.target.nodeName === "DIALOG") event.target.close(); // the backdrop
  });
  document.addEventListener("change", event => { if (event.target.matches("[data-submit]")) event.target.form.requestSubmit(); });
  document.addEventListener("submit", event => { // an empty field is no part of the address
    if (event.target.method !== "get") return;
    for (const field of event.target.elements) if (field.name && !field.value && !field.disabled) { field.disabled = true; setTimeout(() => { field.disabled = false; }); }
  });
  for (const find of document.querySelectorAll(".values .find")) find.addEventListener("input", () => {
    const wanted = find.value.toLowerCase();
    for (const row of find.closest(".values").querySelectorAll("tbody tr")) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
})();
