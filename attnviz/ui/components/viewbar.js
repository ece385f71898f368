const av = window.attnviz;
const words = props.words;
const bar = element.querySelector(".av-viewbar");
const view = av.view();

bar.setAttribute("aria-label", words.label);

function change(patch) {
  Object.assign(view, patch);
  av.put("view", { ...view });
}

const switches = {};
function choice(label, name, options) {
  switches[name] = av.choice(label, options, (value) => change({ [name]: value }));
  switches[name].mark(view[name]);
  return av.node("div", { class: "choice", "data-name": name }, switches[name].element);
}

const range = av.node("input", { type: "range", min: 0, max: 100, value: 100 * view.strength, "aria-label": words.strength });
const percent = av.node("output", { text: `${range.value}%` });
range.addEventListener("input", () => {
  percent.textContent = `${range.value}%`;
  change({ strength: range.value / 100 });
});

const scale = choice(words.scale, "scale", [["own", words.own], ["shared", words.shared], ["absolute", words.absolute]]);
bar.append(
  av.node("div", { class: "choice" }, av.node("span", { text: words.strength }), range, percent),
  choice(words.colors, "map", props.maps.map((name) => [name, name])),
  choice(words.grid, "smooth", [[true, words.smooth], [false, words.native]]),
  scale,
);

// Only gates have an absolute scale, 0 to 1; an affinity's rows have none that they share.
const offered = { absolute: "gate", shared: "shareable" };
for (const topic of Object.values(offered)) {
  av.on(topic, element, () => {
    for (const [name, given] of Object.entries(offered)) scale.querySelector(`[data-value="${name}"]`).hidden = !av.get(given);
    const given = offered[view.scale];
    switches.scale.mark(given && !av.get(given) ? "own" : view.scale); // what is in effect
  });
}
// A link's settings.
av.on("settings", element, (settings) => {
  change(settings);
  for (const [name, made] of Object.entries(switches)) made.mark(view[name]);
  range.value = 100 * view.strength;
  percent.textContent = `${range.value}%`;
});
let waiting = 0;
av.on("busy", element, (busy) => {
  clearTimeout(waiting);
  if (busy) waiting = setTimeout(() => element.classList.add("busy"), 180);
  else element.classList.remove("busy");
});
change({});
