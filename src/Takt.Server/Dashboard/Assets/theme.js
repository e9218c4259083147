// The reader's choice of light or dark; the system's when there is none.
(function () {
  const root = document.documentElement;
  const chosen = localStorage.getItem("takt-theme");
  if (chosen) root.dataset.theme = chosen;
  addEventListener("DOMContentLoaded", () => document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("takt-theme", root.dataset.theme);
  }));
})();
