// Requests per second of each endpoint over the last two minutes, from the server's events.
(function () {
  const span = 120, box = document.getElementById("live"), now = document.getElementById("live-now"), pause = document.getElementById("pause");
  const style = getComputedStyle(document.documentElement), colours = ["--accent", "--good", "--warn", "--bad"].map(name => style.getPropertyValue(name).trim());
  const ink = style.getPropertyValue("--dim").trim(), rule = style.getPropertyValue("--border").trim();
  let times = [], rows = {}, chart = null, paused = false;
  function draw() {
    const names = Object.keys(rows);
    if (!chart || chart.series.length !== names.length + 1) {
      if (chart) chart.destroy();
      const two = n => String(n).padStart(2, "0"), clock = (u, ticks) => ticks.map(t => { const d = new Date(t * 1000); return two(d.getHours()) + ":" + two(d.getMinutes()) + ":" + two(d.getSeconds()); });
      const axis = { stroke: ink, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule } };
      chart = new uPlot({ width: box.clientWidth, height: 220, scales: { x: { range: () => [times[times.length - 1] - span, times[times.length - 1]] }, y: { range: (u, low, high) => [0, Math.max(1, high * 1.1)] } }, axes: [{ ...axis, space: 90, values: clock }, axis], legend: { live: false },
        series: [{ label: "Time" }].concat(names.map((name, i) => ({ label: name, stroke: colours[i % colours.length], width: 2, points: { show: false } }))) }, [times].concat(names.map(n => rows[n])), box);
    } else chart.setData([times].concat(names.map(n => rows[n])));
  }
  const source = new EventSource("/live");
  source.onerror = () => { now.textContent = source.readyState === 2 ? "the server has ended this; reload the page" : "the server does not answer; trying again"; };
  source.onmessage = event => {
    const sample = JSON.parse(event.data);
    times.push(sample.time);
    for (const name of Object.keys(sample.requests)) if (!rows[name]) rows[name] = new Array(times.length - 1).fill(null);
    for (const name of Object.keys(rows)) rows[name].push(sample.requests[name] ?? null);
    if (times.length > span) { times.shift(); for (const name of Object.keys(rows)) rows[name].shift(); }
    if (paused) return;
    now.textContent = Object.keys(rows).map(n => n + ": " + (sample.requests[n] ?? 0) + " requests in the last second" + (sample.p95_ms[n] == null ? "" : ", 95 % within " + sample.p95_ms[n].toFixed(2) + " ms")).join(" · ") || "no endpoint is live";
    box.dataset.samples = times.length;
    draw();
  };
  pause.addEventListener("click", () => { paused = !paused; pause.textContent = paused ? "Resume" : "Pause"; pause.setAttribute("aria-pressed", paused); });
  addEventListener("resize", () => { if (chart) chart.setSize({ width: box.clientWidth, height: 220 }); });
})();
