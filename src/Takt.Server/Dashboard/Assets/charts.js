// Charts of metrics: each is asked for and drawn when it comes into view, and let go when it is far away. The server thins; zooming asks again.
(function () {
  const card = document.getElementById("charts"), axis = document.getElementById("chart-axis"), log = document.getElementById("chart-log"), smooth = document.getElementById("chart-smooth"), calm = document.getElementById("chart-calm"), find = document.getElementById("chart-find");
  const items = [...document.querySelectorAll("#chart-runs li[data-run]")], runs = items.map(li => ({ id: li.dataset.run, name: li.dataset.name, colour: li.dataset.colour, shown: true }));
  const byId = new Map(runs.map(r => [r.id, r]));
  const plots = [...card.querySelectorAll(".plot")], live = new Map(), usual = 200, tall = 460, told = 8;
  const state = new URLSearchParams(location.search);
  axis.value = state.get("x") || "step"; if (!axis.value) axis.value = "step";
  log.checked = state.get("log") === "1"; smooth.value = state.get("smooth") || 0; calm.checked = state.get("outliers") === "0";
  const figures = () => { document.getElementById("chart-smooth-value").textContent = (+smooth.value).toFixed(2); };
  figures();
  function remember() {
    const now = new URLSearchParams(location.search);
    const put = (name, value, usual) => { if (value === usual) now.delete(name); else now.set(name, value); };
    put("x", axis.value, "step"); put("log", log.checked ? "1" : "", ""); put("smooth", smooth.value, "0"); put("outliers", calm.checked ? "0" : "", "");
    history.replaceState(null, "", location.pathname + (now.size ? "?" + now : "") + location.hash);
  }
  const ink = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // exponential moving average without the pull towards zero at its start
  function average(values, weight) {
    let last = 0, seen = 0;
    return values.map(v => { if (v === null) return null; last = last * weight + (1 - weight) * v; seen++; return last / (1 - Math.pow(weight, seen)); });
  }
  const faint = colour => colour.replace(")", " / .25)");
  const two = n => String(n).padStart(2, "0"), brief = v => v === null ? "" : Math.abs(v) >= 1e5 || v !== 0 && Math.abs(v) < 1e-3 ? v.toExponential(1) : String(+v.toPrecision(5));
  const clock = (u, ticks, at, space, step) => { let day = ""; return ticks.map(t => { const d = new Date(t * 1000), date = d.getFullYear() + "-" + two(d.getMonth() + 1) + "-" + two(d.getDate()), time = two(d.getHours()) + ":" + two(d.getMinutes()) + (step < 60 ? ":" + two(d.getSeconds()) : ""), told = step >= 86400 ? date : date === day ? time : time + "\n" + date; day = date; return told; }); };
  const place = x => axis.value === "step" ? "step " + (+x.toFixed(2)) : axis.value === "time" ? new Date(x * 1000).toLocaleString() : x < 120 ? x.toFixed(1) + " s" : x < 7200 ? (x / 60).toFixed(1) + " min" : (x / 3600).toFixed(2) + " h";

  // the values under the pointer: of each run its nearest point, the run nearest to the pointer first
  function tell(plot, entry, u) {
    const box = plot.querySelector(".values-here"), { left, top } = u.cursor;
    if (left < 0 || u.cursor.idx === null) { box.hidden = true; return; }
    const xs = u.data[0], from = u.cursor.idx, near = [], reach = Math.max(24, Math.abs(u.valToPos(xs[from], "x") - left) + 1);
    for (const line of entry.lines) {
      if (!line.run.shown) continue;
      const y = u.data[line.row];
      for (let far = 0; far < xs.length; far++) {
        const at = [from - far, from + far].find(i => i >= 0 && i < xs.length && y[i] !== null && y[i] !== undefined);
        if (at !== undefined) { if (Math.abs(u.valToPos(xs[at], "x") - left) <= reach) near.push({ line, value: y[at], x: xs[at], far: Math.abs(u.valToPos(y[at], "y") - top) }); break; }
        if (from - far < 0 && from + far >= xs.length) break;
      }
    }
    if (near.length === 0) { box.hidden = true; return; }
    near.sort((a, b) => a.far - b.far);
    const head = document.createElement("div");
    head.className = "dim"; head.textContent = place(near[0].x);
    box.replaceChildren(head, ...near.slice(0, told).map(({ line, value }, i) => {
      const row = document.createElement("div"), dot = document.createElement("i"), number = document.createElement(i === 0 ? "b" : "span");
      dot.style.background = line.run.colour; number.textContent = +value.toPrecision(6);
      row.append(dot, number, " ", runs.length > 1 ? line.run.name : "");
      return row;
    }));
    if (near.length > told) { const more = document.createElement("div"); more.className = "dim"; more.textContent = "and " + (near.length - told) + " more"; box.append(more); }
    box.hidden = false;
    const room = plot.clientWidth, at = u.over.offsetLeft + left;
    box.style.left = (at > room / 2 ? Math.max(0, at - box.offsetWidth - 14) : at + 22) + "px";
  }

  // without the hundredth part of all values at either end, when those are what presses the rest together
  function bounds(entry) {
    if (!calm.checked) return null;
    const all = [];
    for (const line of entry.lines) if (line.run.shown) for (const v of entry.rows[line.row]) if (v !== null && v !== undefined) all.push(v);
    if (all.length < 20) return null;
    all.sort((a, b) => a - b);
    const a = all[Math.floor(all.length * .01)], z = all[Math.ceil(all.length * .99) - 1];
    if (!(z > a)) return null;
    const pad = log.checked ? 0 : (z - a) * .08, range = [Math.max(all[0], a - pad), Math.min(all[all.length - 1], z + pad)];
    entry.outside = all.filter(v => v < range[0] || v > range[1]).length;
    return range;
  }
  function options(plot, entry, lines) {
    const rule = ink("--border"), dim = ink("--dim"), side = { stroke: dim, grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, size: 4 }, font: "11px system-ui, sans-serif" };
    const time = axis.value === "time", y = { distr: log.checked ? 3 : 1 };
    if (entry.bounds) y.range = entry.bounds;
    return {
      width: plot.clientWidth - 16, height: plot.classList.contains("large") ? tall : usual, legend: { show: false }, focus: { alpha: .25 }, cursor: { drag: { x: true, y: false }, points: { show: runs.length <= 20 }, focus: { prox: runs.length > 1 ? 24 : -1 } },
      scales: { x: { time }, y },
      axes: [{ ...side, size: 34, ...(time ? { values: clock, space: 76, size: 44 } : {}) }, { ...side, size: 58, values: (u, ticks) => ticks.map(brief) }],
      series: [{ label: axis.value }].concat(lines), hooks: {
        setSelect: [u => { if (u.select.width > 4) load(plot, u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")); }],
        setCursor: [u => tell(plot, entry, u)],
      },
    };
  }
  function draw(plot, data) {
    const entry = live.get(plot), canvas = plot.querySelector(".canvas"), weight = +smooth.value, lines = [], rows = [null];
    if (!entry) return;
    entry.lines = []; entry.outside = 0;
    for (const line of data.lines) {
      const run = byId.get(line.run), one = { label: run.name, stroke: run.colour, width: 1.6, show: run.shown, spanGaps: true, points: { show: line.points === 1 || line.points < 40 && data.exact && runs.length <= 10, size: 4 } };
      const y = log.checked ? line.y.map(v => v !== null && v > 0 ? v : null) : line.y;
      if (weight > 0) { lines.push({ ...one, stroke: faint(run.colour), points: { show: false } }, one); rows.push(y, average(y, weight)); }
      else { lines.push(one); rows.push(y); }
      entry.lines.push({ run, row: rows.length - 1 });
    }
    if (entry.chart) entry.chart.destroy();
    canvas.replaceChildren();
    if (data.x.length === 0) { canvas.textContent = "no points"; return; }
    entry.data = data; entry.rows = rows; entry.bounds = bounds(entry);
    entry.chart = new uPlot(options(plot, entry, lines), [data.x].concat(rows.slice(1)), canvas);
    const points = data.lines.reduce((sum, l) => sum + l.points, 0), gaps = data.lines.reduce((sum, l) => sum + l.gaps, 0), hidden = runs.filter(r => !r.shown).length;
    plot.querySelector("figcaption").textContent = plot.dataset.key + (data.exact ? "" : " · " + points.toLocaleString("en") + " points, thinned") + (gaps ? " · " + gaps + " NaN or ∞" : "") + (entry.outside ? " · " + entry.outside + " outside" : "") + (hidden ? " · " + hidden + " hidden" : "");
    let least = Infinity, most = -Infinity;
    for (const line of data.lines) for (const v of line.y) if (v !== null) { least = Math.min(least, v); most = Math.max(most, v); }
    canvas.setAttribute("aria-label", "Chart of " + plot.dataset.key + ": " + points.toLocaleString("en") + " points of " + (data.lines.length === 1 ? "1 run" : data.lines.length + " runs") + (least <= most ? ", from " + brief(least) + " to " + brief(most) : ""));
    plot.dataset.drawn = points;
  }
  async function load(plot, from, to) {
    const entry = live.get(plot);
    if (!entry) return;
    entry.range = from === undefined ? null : [from, to];
    const query = "key=" + encodeURIComponent(plot.dataset.key) + "&axis=" + axis.value + (entry.range ? "&from=" + from + "&to=" + to : "") + "&run=" + runs.map(r => encodeURIComponent(r.id)).join(",");
    const turn = entry.turn = (entry.turn || 0) + 1;
    try {
      const answer = await fetch("/runs/series?" + query);
      if (!answer.ok) throw new Error("can't be drawn: " + ((await answer.json()).error || {}).message);
      const data = await answer.json();
      if (live.get(plot) === entry && entry.turn === turn) draw(plot, data);
    } catch (e) {
      const canvas = plot.querySelector(".canvas"), again = document.createElement("button");
      again.type = "button"; again.className = "small"; again.textContent = "Try again"; again.addEventListener("click", () => load(plot, from, to));
      if (!entry.chart) canvas.replaceChildren(e instanceof TypeError ? "the server does not answer " : e.message + " ", again);
    }
  }
  const redraw = () => { for (const [plot, entry] of live) if (entry.data) draw(plot, entry.data); };
  const watch = new IntersectionObserver(seen => {
    for (const { target, isIntersecting } of seen) {
      if (isIntersecting && !live.has(target)) { live.set(target, {}); load(target); }
      else if (!isIntersecting && live.has(target)) { const entry = live.get(target); live.delete(target); if (entry.chart) entry.chart.destroy(); target.querySelector(".canvas").replaceChildren(); target.querySelector(".values-here").hidden = true; delete target.dataset.drawn; }
    }
  }, { rootMargin: "400px" });
  const sized = plot => { const entry = live.get(plot); if (entry && entry.chart) entry.chart.setSize({ width: plot.clientWidth - 16, height: plot.classList.contains("large") ? tall : usual }); };
  for (const plot of plots) {
    watch.observe(plot);
    plot.addEventListener("dblclick", event => { if (!event.target.closest("button, a")) load(plot); });
    plot.querySelector("[data-enlarge]").addEventListener("click", event => { const on = plot.classList.toggle("large"); event.target.setAttribute("aria-pressed", on); sized(plot); if (on) plot.scrollIntoView({ block: "nearest" }); });
    plot.querySelector("[data-csv]").addEventListener("click", () => { location.href = "/runs/series.csv?key=" + encodeURIComponent(plot.dataset.key) + "&run=" + runs.map(r => encodeURIComponent(r.id)).join(","); });
    plot.querySelector("[data-png]").addEventListener("click", () => picture(plot));
  }
  // the picture has what is drawn, its name and, of a few runs, whose lines those are
  function picture(plot) {
    const entry = live.get(plot);
    if (!entry || !entry.chart) return;
    const from = entry.chart.ctx.canvas, scale = devicePixelRatio || 1, named = runs.length > 1 ? runs.filter(r => r.shown).slice(0, 12) : [], head = 28 * scale, foot = named.length * 18 * scale + (named.length ? 8 * scale : 0);
    const to = document.createElement("canvas"), pen = to.getContext("2d");
    to.width = from.width; to.height = from.height + head + foot;
    pen.fillStyle = ink("--surface"); pen.fillRect(0, 0, to.width, to.height);
    pen.fillStyle = ink("--text"); pen.font = "600 " + 13 * scale + "px system-ui, sans-serif"; pen.fillText(plot.dataset.key, 10 * scale, 18 * scale);
    pen.drawImage(from, 0, head);
    pen.font = 12 * scale + "px system-ui, sans-serif";
    named.forEach((run, i) => { const y = head + from.height + (i * 18 + 12) * scale; pen.fillStyle = run.colour; pen.fillRect(10 * scale, y - 9 * scale, 10 * scale, 10 * scale); pen.fillStyle = ink("--text"); pen.fillText(run.name, 26 * scale, y); });
    const link = document.createElement("a");
    link.download = plot.dataset.key.replace(/[^\w.-]+/g, "_") + ".png"; link.href = to.toDataURL("image/png"); link.click();
  }
  axis.addEventListener("change", () => { remember(); for (const plot of live.keys()) load(plot); });
  for (const [box, news] of [[log, "change"], [calm, "change"], [smooth, "input"]]) box.addEventListener(news, () => { figures(); remember(); redraw(); });
  find.addEventListener("input", () => { const wanted = find.value.toLowerCase(); for (const plot of plots) plot.hidden = !plot.dataset.key.toLowerCase().includes(wanted); });
  let resized = 0;
  addEventListener("resize", () => { cancelAnimationFrame(resized); resized = requestAnimationFrame(() => { for (const plot of live.keys()) sized(plot); }); });
  document.getElementById("theme").addEventListener("click", redraw);

  // the legend: a run's mark hides its line, with Alt (or twice) all others; who points at a name sees its line alone
  function show(which) { for (const li of items) { const run = byId.get(li.dataset.run), mark = li.querySelector("button"); run.shown = which(run); if (mark) mark.setAttribute("aria-pressed", run.shown); li.classList.toggle("off", !run.shown); } redraw(); }
  function focus(id) { for (const entry of live.values()) if (entry.chart && entry.lines) { const line = entry.lines.find(l => l.run.id === id); entry.chart.setSeries(line ? line.row : null, { focus: line !== undefined }); } }
  for (const li of items) {
    const mark = li.querySelector("button"), only = run => runs.every(r => r.shown === (r.id === run.id));
    if (!mark) continue;
    mark.addEventListener("click", event => { const me = byId.get(li.dataset.run); if (event.altKey) { const all = only(me); show(r => all || r === me); } else show(r => r === me ? !r.shown : r.shown); });
    mark.addEventListener("dblclick", () => { const me = byId.get(li.dataset.run); show(r => r === me); });
    li.addEventListener("pointerenter", () => focus(li.dataset.run));
    li.addEventListener("pointerleave", () => focus(null));
  }
  const everyone = document.getElementById("chart-all");
  if (everyone) everyone.addEventListener("click", () => { const all = runs.some(r => !r.shown); show(() => all); });

  // news of a running run: charts in view are asked for again, those that are zoomed stay as they are
  document.addEventListener("takt-metrics", event => { for (const [plot, entry] of live) if (event.detail.includes(plot.dataset.key) && !entry.range) load(plot); });
})();
