// The columns that were chosen for this table last: it is shown with them, unless its address names others.
(function () {
  const here = new URLSearchParams(location.search);
  if (here.has("cols")) return;
  const kept = (JSON.parse(localStorage.getItem("takt-columns") || "{}"))[here.get("experiment") || ""];
  if (!kept) return;
  here.set("cols", kept);
  location.replace(location.pathname + "?" + here);
})();
