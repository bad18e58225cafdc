// What the page does beyond being read: a cursor over the time-line, links to moments, the verdict to the clipboard.
"use strict";
(() => {
  const chart = document.querySelector(".chart");
  if (chart) addCursor(chart);
  addCopying();
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
  addEventListener("hashchange", unfoldTarget);
  unfoldTarget();

  function unfoldTarget() {
    const target = document.getElementById(location.hash.slice(1));
    for (let one = target && target.closest("details"); one; one = one.parentElement.closest("details")) one.open = true;
  }

  function addCopying() {
    const verdict = document.getElementById("verdict");
    if (!verdict || !navigator.clipboard) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", () => navigator.clipboard.writeText(verdict.textContent).then(
      () => { button.textContent = "Copied"; },
      () => { button.textContent = "Not allowed"; },
    ));
    verdict.before(button);
  }

  function addCursor(chart) {
    const start = Number(chart.dataset.start);
    const span = Number(chart.dataset.span);
    const offset = Number(chart.dataset.offset);
    const bars = [...chart.querySelectorAll("[data-from]")].map((element) => ({ element, ...numbers(element.dataset) }));
    const lines = [...chart.querySelectorAll("[data-points]")].map((element) => ({
      element,
      index: Number(element.dataset.index),
      points: element.dataset.points.split(" ").map((point) => point.split(",").map(Number)),
    }));
    const cursor = document.createElement("div");
    cursor.className = "cursor";
    cursor.hidden = true;
    chart.append(cursor);
    const readout = document.createElement("div");
    readout.className = "readout";
    readout.setAttribute("role", "status");
    readout.textContent = "Point at the time-line, or tap it; with the keyboard, the arrow keys.";
    chart.before(readout);
    chart.tabIndex = 0;
    chart.setAttribute("aria-label", "time-line; the arrow keys move a cursor over it");
    let at = null;

    chart.addEventListener("pointermove", point);
    chart.addEventListener("pointerdown", point);
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      show(Math.min(span, Math.max(0, (at === null ? span / 2 : at) + step * span / (event.shiftKey ? 20 : 100))));
    });
    for (const link of document.querySelectorAll("a[data-moment]")) {
      const moment = Number(link.dataset.moment) - start;
      const lead = () => { if (moment >= 0 && moment <= span) show(moment); };
      link.addEventListener("click", lead);
      link.addEventListener("pointerenter", lead);
    }

    function point(event) {
      const box = chart.getBoundingClientRect();
      const bar = event.target.closest && event.target.closest("[data-from]");
      show(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * span, bar);
    }

    function show(milliseconds, element) {
      at = milliseconds;
      cursor.hidden = false;
      cursor.style.left = `${milliseconds / span * 100}%`;
      const alive = bars.filter((bar) => bar.from <= at && at <= bar.to);
      const near = element ? bars.filter((bar) => bar.element === element) : [];
      readout.replaceChildren();
      const time = document.createElement("strong");
      time.textContent = `${clock(start + at)}  (+${length(at)})`;
      readout.append(time);
      const said = (near.length ? near : alive).slice(0, 8).map(describe);
      const more = (near.length ? near : alive).length - said.length;
      if (more > 0) said.push(`${more} more`);
      readout.append(` ${said.join(" · ") || "no worker"}`);
      chart.classList.toggle("near", near.length > 0 && lines.length > 0);
      for (const bar of bars) bar.element.classList.toggle("here", near.includes(bar));
      for (const line of lines) line.element.classList.toggle("here", near.some((bar) => bar.index === line.index));
    }

    function describe(bar) {
      let doing = bar.phase;
      if (bar.ready !== null) doing = at < bar.ready ? "start-up" : "serving";
      if (bar.blocked !== null && at >= bar.blocked && at <= bar.free) doing += `, blocked in ${bar.call}`;
      const memory = memoryAt(bar.index);
      return `pid ${bar.pid} ${doing}${memory === null ? "" : `, ${size(memory)}`}`;
    }

    function memoryAt(index) {
      const line = lines.find((one) => one.index === index);
      if (!line) return null;
      let found = null;
      for (const [moment, bytes] of line.points) if (moment <= at) found = bytes;
      return found;
    }

    function clock(milliseconds) {
      return new Date(milliseconds + offset * 60000).toISOString().slice(11, span < 600000 ? 21 : 19);
    }
  }

  function numbers(data) {
    const number = (text) => (text === undefined ? null : Number(text));
    return {
      from: number(data.from), to: number(data.to), ready: number(data.ready), blocked: number(data.blocked),
      free: number(data.free), index: number(data.index), pid: data.pid, phase: data.phase, call: data.call,
    };
  }

  function length(milliseconds) {
    const seconds = milliseconds / 1000;
    if (seconds < 100) return `${seconds.toFixed(1)} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
    return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`;
  }

  function size(bytes) {
    return bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  }
})();
