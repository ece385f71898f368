const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [select, caption, where, weights, name] = ["select", ".caption", ".availability", ".weights", ".name"].map(at);
const [RANDOM, OWN] = ["random:", "own:"];

at("h2").textContent = words.heading;
at("summary").textContent = words.other;
at("form button").textContent = words.show;
name.setAttribute("aria-label", words.name);
name.placeholder = "resnet50.a1_in1k";

// Random weights are a choice of their own, which stays while one network after the other is looked at.
let random = false;
const made = av.choice(words.weights, [["published", words.published], ["random", words.random]], (which) => {
  choose(which === "random" ? RANDOM + select.value : select.value);
});
weights.append(made.element);
const bare = (id) => id.startsWith(RANDOM) || id.startsWith(OWN); // there is but one kind of weights for it

const models = new Map(); // by id, as they are listed; what was typed or brought is added
for (const { name: label, models: listed } of props.groups) {
  select.append(av.node("optgroup", { label }, ...listed.map(option)));
}

function option(model) {
  models.set(model.id, { ...model });
  return av.node("option", { value: model.id, text: model.name });
}

/** Its name, and in short where its weights are; those that two CPUs are enough for are marked. */
function label({ name: text, state, size, light }) {
  const short = state && words[`short_${state}`];
  return [text, short && av.fill(short, { size }), light && state !== "embedded" && words.light].filter(Boolean).join(" · ");
}

function describe() {
  for (const each of select.options) each.textContent = label(models.get(each.value));
  const chosen = models.get(select.value);
  const state = chosen && (random ? "embedded" : chosen.state);
  where.textContent = !chosen || random || chosen.id.startsWith(OWN) ? "" : av.fill(words[state ?? "asking"] ?? "", { size: chosen.size });
  where.dataset.state = state ?? "";
}

/** The id under which a model is listed: the same with random weights has no line of its own, but what has none else. */
const listed = (id) => (models.has(id) || !id.startsWith(RANDOM) ? id : id.slice(RANDOM.length));

function show() {
  const value = props.value;
  if (!value?.id) return;
  const id = listed(value.id);
  if (!models.has(id)) add(id, value);
  select.value = id;
  random = value.random;
  made.mark(random ? "random" : "published");
  av.put("opened", { id: value.id, name: value.name });
  weights.hidden = bare(id);
  caption.textContent = value.caption;
  describe();
}

/** A model that was typed, or one's own. */
function add(id, value) {
  const text = id.startsWith(OWN) ? words.own : words.typed;
  let group = [...select.children].find((each) => each.label === text);
  if (!group) select.append((group = av.node("optgroup", { label: text })));
  const plain = value.random ? id.split(":").at(-1) : value.name;
  group.append(option({ ...value, id, name: plain, state: id.startsWith(OWN) ? "embedded" : value.random ? null : "cached" }));
}

/** A class belongs to the networks that know it: another data set starts from its own prediction. */
function change(id, patch = {}) {
  const dataset = models.get(listed(id))?.dataset;
  const same = dataset !== undefined && dataset === props.value.dataset;
  const forget = same || "target" in patch ? {} : { target: null, against: null };
  return { model: id, query: null, region: null, channel: null, method: "grad_cam", ...forget, ...patch };
}

/** Show a model: at once where its weights are here, else when they were fetched, and the page goes on meanwhile. */
function choose(id) {
  const known = models.get(id);
  const there = bare(id) || ["embedded", "cached"].includes(known?.state);
  const then = () => av.send(trigger, change(id));
  if (there) {
    av.put("fetch", null);
    then();
  } else {
    show(); // the page stays as it is until the weights are there
    av.put("fetch", { id, name: known?.name ?? id, then });
  }
}

select.addEventListener("change", () => {
  choose(random && !weights.hidden && !bare(select.value) ? RANDOM + select.value : select.value);
});
at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = name.value.trim();
  if (!text) return;
  const id = text.includes(":") ? text : `timm:${text}`;
  choose(random && !weights.hidden && !bare(id) ? RANDOM + id : id);
});
for (const event of ["pointerdown", "focus"]) select.addEventListener(event, () => av.put("looking", performance.now()));
watch("value", () => {
  show();
  const { wish } = props.value ?? {};
  // A link's network: the link is followed once more when it is there.
  if (wish) av.put("fetch", { id: wish.id, name: models.get(wish.id)?.name ?? wish.id, then: () => av.send(trigger, { link: wish.link }) });
});
show();

av.on("reach", element, (states) => {
  for (const [id, state] of Object.entries(states ?? {})) {
    if (models.has(id)) models.get(id).state = state;
  }
  describe();
});
// What another page asks of the state.
let heard = av.get("wish");
av.on("wish", element, (patch) => {
  if (patch !== heard) av.send(trigger, "model" in (heard = patch) ? change(patch.model, patch) : patch);
});
// A refused request leaves the model as it was.
av.on("busy", element, (busy) => busy || show());
