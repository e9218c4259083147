// Charts of metrics: each is asked for and drawn when it comes into view, and let go when it is far away. The server thins; zooming asks again.
(function () {
  const card = document.getElementById("charts"), axis = document.getElementById("chart-axis"), log = document.getElementById("chart-log"), smooth = document.getElementById("chart-smooth"), find = document.getElementById("chart-find");
  const runs = [...document.querySelectorAll("#chart-runs li")].map(li => ({ id: li.dataset.run, name: li.dataset.name, colour: li.dataset.colour }));
  const plots = [...card.querySelectorAll(".plot")], live = new Map(), height = 200;
  const state = new URLSearchParams(location.search);
  axis.value = state.get("x") || "step"; if (!axis.value) axis.value = "step";
  log.checked = state.get("log") === "1"; smooth.value = state.get("smooth") || 0;
  function remember() {
    const now = new URLSearchParams(location.search);
    const put = (name, value, usual) => { if (value === usual) now.delete(name); else now.set(name, value); };
    put("x", axis.value, "step"); put("log", log.checked ? "1" : "", ""); put("smooth", smooth.value, "0");
    history.replaceState(null, "", location.pathname + (now.size ? "?" + now : "") + location.hash);
  }
  const ink = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // exponential moving average without the pull towards zero at its start
  function average(values, weight) {
    let last = 0, seen = 0;
    return values.map(v => { if (v === null) return null; last = last * weight + (1 - weight) * v; seen++; return last / (1 - Math.pow(weight, seen)); });
  }
  const faint = colour => colour.replace(")", " / .25)");
  const two = n => String(n).padStart(2, "0");
  const clock = (u, ticks, at, space, step) => { let day = ""; return ticks.map(t => { const d = new Date(t * 1000), date = d.getFullYear() + "-" + two(d.getMonth() + 1) + "-" + two(d.getDate()), time = two(d.getHours()) + ":" + two(d.getMinutes()) + (step < 60 ? ":" + two(d.getSeconds()) : ""), told = step >= 86400 ? date : date === day ? time : time + "\n" + date; day = date; return told; }); };
  function options(plot, data, lines) {
    const rule = ink("--border"), dim = ink("--dim"), side = { stroke: dim, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, size: 4 }, font: "11px system-ui, sans-serif" };
    const time = axis.value === "time";
    return {
      width: plot.clientWidth - 16, height, legend: { show: runs.length === 1, live: true }, cursor: { drag: { x: true, y: false }, points: { show: runs.length <= 20 } },
      scales: { x: { time }, y: { distr: log.checked ? 3 : 1 } },
      axes: [{ ...side, size: 34, ...(time ? { values: clock, space: 76, size: 44 } : {}) }, { ...side, size: 58, values: (u, ticks) => ticks.map(t => t === null ? "" : Math.abs(t) >= 1e5 || t !== 0 && Math.abs(t) < 1e-3 ? t.toExponential(1) : +t.toPrecision(5)) }],
      series: [{ label: axis.value }].concat(lines), hooks: { setSelect: [u => { if (u.select.width > 4) load(plot, u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")); }] },
    };
  }
  function draw(plot, data) {
    const entry = live.get(plot), canvas = plot.querySelector(".canvas"), weight = +smooth.value, lines = [], rows = [];
    if (!entry) return;
    for (const line of data.lines) {
      const run = runs.find(r => r.id === line.run), one = { label: runs.length === 1 ? plot.dataset.key : run.name, stroke: run.colour, width: 1.6, spanGaps: true, points: { show: line.points === 1 || line.points < 40 && data.exact && runs.length <= 10, size: 4 } };
      const y = log.checked ? line.y.map(v => v !== null && v > 0 ? v : null) : line.y;
      if (weight > 0) { lines.push({ ...one, label: "as logged", stroke: faint(run.colour) }, one); rows.push(y, average(y, weight)); }
      else { lines.push(one); rows.push(y); }
    }
    if (entry.chart) entry.chart.destroy();
    canvas.replaceChildren();
    if (data.x.length === 0) { canvas.textContent = "no points"; return; }
    entry.chart = new uPlot(options(plot, data, lines), [data.x].concat(rows), canvas);
    entry.data = data;
    const points = data.lines.reduce((sum, l) => sum + l.points, 0), gaps = data.lines.reduce((sum, l) => sum + l.gaps, 0);
    plot.querySelector("figcaption").textContent = plot.dataset.key + (data.exact ? "" : " · " + points.toLocaleString("en") + " points, thinned") + (gaps ? " · " + gaps + " NaN" : "");
    plot.dataset.drawn = points;
  }
  async function load(plot, from, to) {
    const entry = live.get(plot);
    if (!entry) return;
    entry.range = from === undefined ? null : [from, to];
    const query = "key=" + encodeURIComponent(plot.dataset.key) + "&axis=" + axis.value + (entry.range ? "&from=" + from + "&to=" + to : "") + "&run=" + runs.map(r => encodeURIComponent(r.id)).join(",");
    const turn = entry.turn = (entry.turn || 0) + 1;
    const answer = await fetch("/runs/series?" + query);
    if (!answer.ok) { plot.querySelector(".canvas").textContent = "can't be drawn: " + ((await answer.json()).error || {}).message; return; }
    const data = await answer.json();
    if (live.get(plot) === entry && entry.turn === turn) draw(plot, data);
  }
  const watch = new IntersectionObserver(seen => {
    for (const { target, isIntersecting } of seen) {
      if (isIntersecting && !live.has(target)) { live.set(target, {}); load(target); }
      else if (!isIntersecting && live.has(target)) { const entry = live.get(target); live.delete(target); if (entry.chart) entry.chart.destroy(); target.querySelector(".canvas").replaceChildren(); delete target.dataset.drawn; }
    }
  }, { rootMargin: "400px" });
  for (const plot of plots) {
    watch.observe(plot);
    plot.addEventListener("dblclick", () => load(plot));
  }
  axis.addEventListener("change", () => { remember(); for (const plot of live.keys()) load(plot); });
  log.addEventListener("change", () => { remember(); for (const [plot, entry] of live) if (entry.data) draw(plot, entry.data); });
  smooth.addEventListener("input", () => { remember(); for (const [plot, entry] of live) if (entry.data) draw(plot, entry.data); });
  find.addEventListener("input", () => { const wanted = find.value.toLowerCase(); for (const plot of plots) plot.hidden = !plot.dataset.key.toLowerCase().includes(wanted); });
  let resized = 0;
  addEventListener("resize", () => { cancelAnimationFrame(resized); resized = requestAnimationFrame(() => { for (const [plot, entry] of live) if (entry.chart) entry.chart.setSize({ width: plot.clientWidth - 16, height }); }); });
  document.getElementById("theme").addEventListener("click", () => { for (const [plot, entry] of live) if (entry.data) draw(plot, entry.data); });
  // news of a running run: charts in view are asked for again, those that are zoomed stay as they are
  document.addEventListener("takt-metrics", event => { for (const [plot, entry] of live) if (event.detail.includes(plot.dataset.key) && !entry.range) load(plot); });
})();
