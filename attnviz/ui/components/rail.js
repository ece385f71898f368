const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [blocks, parts] = [at(".blocks"), at(".parts")];
let chosen = { layer: null, part: null };

at("h2").textContent = words.heading;
blocks.setAttribute("aria-label", words.heading);

const items = () => [...blocks.querySelectorAll("[role=option]")];
const short = (layer) => layer.replace(/\.attention$/, "");

function build(item) {
  if (item.kind === "tick") {
    const text = av.fill(words.tick, { layer: item.layer });
    return av.node("span", { class: "tick", role: "presentation", title: text }, av.node("span", { text: item.layer }));
  }
  const [rows, columns] = item.grid;
  const values = { ...item, rows, columns };
  const doubt = item.verified === false ? words.unverified : "";
  const name = [av.fill(words.block, values), doubt].filter(Boolean).join(", ");
  const option = av.node("div", {
    class: "block", role: "option", tabindex: -1, "data-layer": item.layer, "aria-label": name,
  }, av.node("canvas", { "aria-hidden": "true" }),
  av.node("b", { text: short(item.layer) }),
  av.node("span", { class: "mechanism", text: item.mechanism }),
  av.node("span", { text: av.fill(words.channels, values) }),
  av.node("span", { text: av.fill(words.grid, values) }),
  ...(doubt ? [av.node("em", { text: doubt })] : []));
  option.addEventListener("click", () => choose(item.layer, null));
  option.map = av.unpack(item.thumb);
  return option;
}

function choose(layer, part, focus = false) {
  mark({ layer, part });
  if (focus) items().find((option) => option.dataset.layer === layer)?.focus();
  av.send(trigger, { layer, part, query: null, channel: null });
}

function mark(next) {
  chosen = next;
  for (const option of items()) {
    const selected = option.dataset.layer === chosen.layer;
    option.setAttribute("aria-selected", String(selected));
    option.tabIndex = selected ? 0 : -1;
    if (selected) {
      const [left, right] = [option.offsetLeft, option.offsetLeft + option.offsetWidth];
      if (left < blocks.scrollLeft) blocks.scrollLeft = left - 12;
      else if (right > blocks.scrollLeft + blocks.clientWidth) blocks.scrollLeft = right - blocks.clientWidth + 12;
    }
  }
}

function showParts(item) {
  const several = (item?.parts.length ?? 0) > 1;
  parts.replaceChildren();
  if (!several) return;
  const made = av.choice(words.part, item.parts.map(({ name, label }) => [name, label]), (name) => choose(item.layer, name));
  made.mark(props.value.part);
  parts.append(av.node("span", { text: words.part }), made.element);
}

/** The ends of all blocks' maps, for one scale. */
const reach = (maps) => ({ min: Math.min(...maps.map(({ min }) => min)), max: Math.max(...maps.map(({ max }) => max)) });

function draw() {
  const picture = av.get("picture");
  if (!picture) return;
  const aspect = Math.min(Math.max(picture.height / picture.width, 0.6), 1.4);
  const all = items().map((option) => option.map);
  for (const option of items()) {
    const canvas = option.querySelector("canvas");
    if (!canvas.clientWidth) continue;
    const { min, max } = av.view().scale === "shared" ? reach(all) : option.map;
    av.over(canvas, option.map, { ...av.scaled(min, max), alpha: 0.7 }, { image: "small", aspect });
  }
}

let built = null;
function show() {
  const value = props.value;
  if (!value) return;
  const layers = JSON.stringify(value.items);
  const focused = element.contains(document.activeElement) ? document.activeElement : null;
  const inParts = focused && parts.contains(focused);
  if (layers !== built) {
    blocks.replaceChildren(...value.items.map(build));
    const none = !items().length;
    blocks.setAttribute("role", none ? "group" : "listbox");
    if (none) blocks.removeAttribute("aria-orientation");
    else blocks.setAttribute("aria-orientation", "horizontal");
    if (none) blocks.append(av.node("p", { class: "none", text: words.none }));
    built = layers;
  }
  const skipped = value.skipped?.length ? av.fill(words.skipped, { names: value.skipped.join(", ") }) : "";
  at(".findings").textContent = [value.findings, skipped].filter(Boolean).join(" ");
  mark({ layer: value.layer, part: value.part });
  av.put("mechanism", value.items.find(({ layer }) => layer === value.layer)?.mechanism);
  showParts(value.items.find(({ layer }) => layer === value.layer));
  if (inParts) parts.querySelector("[aria-checked=true]")?.focus();
  else if (focused && !focused.isConnected) items().find((option) => option.tabIndex === 0)?.focus();
  draw();
}

blocks.addEventListener("keydown", (event) => {
  const list = items();
  const now = list.findIndex((option) => option.dataset.layer === chosen.layer);
  const last = list.length - 1;
  const next = { ArrowRight: now + 1, ArrowDown: now + 1, ArrowLeft: now - 1, ArrowUp: now - 1, Home: 0, End: last }[event.key];
  if (next === undefined || !list.length) return;
  event.preventDefault();
  const layer = list[Math.min(Math.max(next, 0), last)].dataset.layer;
  if (layer !== chosen.layer) choose(layer, null, true);
});

watch("value", show);
av.follow(blocks, draw);
av.on("picture", element, draw);
av.on("view", element, draw);
// A refused request leaves the choice as it was.
av.on("busy", element, (busy) => busy || (props.value && mark(props.value)));
show();
