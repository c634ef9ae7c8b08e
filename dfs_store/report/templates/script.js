"use strict";
(() => {
  const themes = ["system", "dark", "light"];
  const button = document.getElementById("theme");
  const useTheme = (name) => {
    if (name === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    button.textContent = `Theme: ${name}`;
    button.dataset.theme = name;
  };
  useTheme("system");
  button.addEventListener("click", () =>
    useTheme(themes[(themes.indexOf(button.dataset.theme) + 1) % themes.length]));

  // One timer advances all players.
  const players = [...document.querySelectorAll(".player")].map((root) => {
    const player = {
      root,
      frames: Number(root.dataset.frames),
      columns: Number(root.dataset.columns),
      rows: Number(root.dataset.rows),
      picture: root.querySelector(".big"),
      slider: root.querySelector("input"),
      output: root.querySelector("output"),
      button: root.querySelector(".play"),
      tiles: [...root.parentElement.querySelectorAll(".tile")],
      playing: false,
      show(position) {
        const column = position % this.columns, row = Math.floor(position / this.columns);
        this.picture.style.backgroundPosition =
          `${100 * column / Math.max(this.columns - 1, 1)}% ${100 * row / Math.max(this.rows - 1, 1)}%`;
        this.slider.value = position;
        this.slider.setAttribute("aria-valuetext", this.tiles[position].title);
        this.output.textContent = this.tiles[position].querySelector("span").textContent;
        this.tiles.forEach((tile, number) => tile.classList.toggle("now", number === position));
      },
      play(on) {
        this.playing = on;
        this.button.setAttribute("aria-pressed", on);
        this.button.textContent = on ? "\u275a\u275a" : "\u25b6";
      },
    };
    player.slider.addEventListener("input", () => { player.play(false); player.show(Number(player.slider.value)); });
    player.button.addEventListener("click", () => player.play(!player.playing));
    player.tiles.forEach((tile, position) =>
      tile.addEventListener("click", () => { player.play(false); player.show(position); }));
    return player;
  });
  const fps = document.getElementById("fps");
  let last = 0;
  const tick = (now) => {
    const rate = Math.min(60, Math.max(0.5, Number(fps.value) || 8));
    if (now - last >= 1000 / rate) {
      last = now;
      for (const player of players)
        if (player.playing && !player.root.closest("figure").hidden)
          player.show((Number(player.slider.value) + 1) % player.frames);
    }
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  const all = document.getElementById("play-all");
  all.addEventListener("click", () => {
    const on = all.getAttribute("aria-pressed") !== "true";
    all.setAttribute("aria-pressed", on);
    all.textContent = on ? "Pause all" : "Play all";
    players.forEach((player) => player.play(on));
  });
  document.getElementById("clip-class").addEventListener("change", (event) => {
    for (const figure of document.querySelectorAll("figure.clip"))
      figure.hidden = event.target.value !== "" && figure.dataset.class !== event.target.value;
  });

  // The class table can be sorted by column and filtered by name.
  const table = document.getElementById("class-table"), body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const text = row.cells[column].textContent.trim();
    if (column === 0) return text.toLowerCase();
    return text === "-" ? -Infinity : Number(text);
  };
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") === "none" ? column === 0 : head.getAttribute("aria-sort") === "descending";
    heads.forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    [...body.rows]
      .map((row, number) => [key(row, column), number, row])
      .sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0) * (up ? 1 : -1) || a[1] - b[1])
      .forEach(([, , row]) => body.append(row));
  }));
  const filter = document.getElementById("filter"), filtered = document.getElementById("filtered");
  filter.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    let shown = 0;
    for (const row of body.rows) {
      row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
      shown += !row.hidden;
    }
    filtered.textContent = `${shown} of ${body.rows.length}`;
  });
})();
