// A running run: its newest values and charts follow, until it ends or the reader pauses.
(function () {
  const about = document.getElementById("about");
  if (about.dataset.live === undefined) return;
  const pause = document.getElementById("pause"), news = document.getElementById("news");
  let source = null, paused = false;
  const cells = name => new Map([...document.querySelectorAll("[" + name + "]")].map(e => [e.getAttribute(name), e]));
  const values = cells("data-metric"), steps = cells("data-step"), ranges = cells("data-range");
  function follow() {
    source = new EventSource("/runs/" + encodeURIComponent(about.dataset.run) + "/events");
    source.onmessage = event => {
      const said = JSON.parse(event.data), keys = Object.keys(said.metrics);
      document.getElementById("status").innerHTML = said.badge;
      for (const key of keys) {
        if (values.has(key)) { values.get(key).textContent = said.metrics[key][0]; if (said.metrics[key][1]) steps.get(key).textContent = "step " + said.metrics[key][1]; }
        else news.textContent = "there are new metrics: reload to see them";
        const range = ranges.get(key), value = +said.metrics[key][0], [least, most] = range ? range.querySelectorAll("b") : [];
        for (const [end, name, beyond] of range ? [[least, "least", value < +range.dataset.least], [most, "most", value > +range.dataset.most]] : [])
          if (beyond) { end.textContent = said.metrics[key][0]; end.nextSibling.textContent = " at " + said.metrics[key][1] + (name === "least" ? ", greatest " : ""); range.dataset[name] = value; }
      }
      if (keys.length) document.dispatchEvent(new CustomEvent("takt-metrics", { detail: keys }));
      about.dataset.news = +(about.dataset.news || 0) + 1;
      if (said.status !== "RUNNING" && said.status !== "SCHEDULED") { source.close(); pause.hidden = true; news.textContent = "ended; reload for the whole of it"; }
    };
    source.onerror = () => { news.textContent = source.readyState === 2 ? "the server follows no more; reload the page" : "the server does not answer; trying again"; };
    source.onopen = () => { news.textContent = "live"; };
  }
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Resume updates" : "Pause updates";
    pause.setAttribute("aria-pressed", paused);
    if (paused) { source.close(); news.textContent = "paused"; } else follow();
  });
  follow();
})();
