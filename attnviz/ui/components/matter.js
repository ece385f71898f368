const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const card = at("section");

at("h2").textContent = words.heading;
at(".validation h3").textContent = words.validation;
const switches = {
  how: av.choice(words.how, props.hows.map((how) => [how, words[how]]), (how) => av.send(trigger, { how })),
  scope: av.choice(words.scope, [["block", words.block], ["all", words.all]], (scope) => av.send(trigger, { scope })),
};
at(".switches").append(switches.how.element, switches.scope.element);

function row({ index, label, value, percent }, target) {
  const line = av.node("div", { class: index === target ? "row target" : "row", "data-index": index, "data-value": String(value) },
    av.node("span", { text: label }), av.node("span", { class: "percent", text: percent }));
  line.style.setProperty("--share", `${100 * value}%`);
  return line;
}

function show() {
  const value = props.value;
  card.hidden = !value;
  if (!value) return;
  for (const name of ["how", "scope"]) switches[name].mark(value[name]);
  at(".caption").textContent = value.caption;
  at(".before h3").textContent = words.before;
  at(".after h3").textContent = av.fill(words.after, { how: words[value.how] });
  for (const side of ["before", "after"]) {
    const given = value[side];
    at(`.${side} .top`).replaceChildren(...(given ? given.top.map((each) => row(each, given.target)) : []));
  }
  at(".words").textContent = value.refused ?? value.words;
  card.classList.toggle("refused", !!value.refused);
  at(".meaning").textContent = words[`meaning_${value.how}`];
  at(".validation").hidden = !value.validation.length;
  at("dl").replaceChildren(...value.validation.flatMap(({ name, label, value: share, text }) => [
    av.node("dt", { text: label }), av.node("dd", { text, "data-name": name, "data-value": String(share) }),
  ]));
  draw();
}

/** Both maps over the picture, on one scale, which is told below them. */
function draw() {
  const value = props.value;
  if (!value || !av.get("picture") || !card.clientWidth) return;
  const maps = ["before", "after"].map((side) => value[side]?.cam && av.unpack(value[side].cam));
  const high = Math.max(...maps.map((map) => map?.max ?? 0));
  at(".of").textContent = value.before && av.fill(words.scale, { label: value.cam_of, high: av.short(high) });
  ["before", "after"].forEach((side, i) => {
    const canvas = at(`.${side} canvas`);
    av.over(canvas, maps[i], av.scaled(0, high));
    const text = av.fill(words.cam, { label: value.cam_of, side: at(`.${side} h3`).textContent });
    canvas.setAttribute("aria-label", maps[i] ? text : `${text}: ${words.silent}`);
    canvas.title = text;
    canvas.dataset.high = String(maps[i]?.max ?? 0);
  });
}

watch("value", show);
av.follow(card, draw);
av.on("picture", element, draw);
av.on("view", element, draw);
// A refused request leaves the choice as it was.
av.on("busy", element, (busy) => busy || show());
show();
