const av = window.attnviz;
const words = props.words;
av.declare(props.forgotten);
const at = (selector) => element.querySelector(selector);
const [link, lecture, address, taken] = [".link", ".lecture", ".address", ".export"].map(at);
const LARGER = 1.35; // in a lecture, on a screen that has room for it
const ROOM = 900; // pixels
const BESIDE = 990; // pixels that the tabs and the tools need in one row

// The view's settings in a link: how each reads, and what is understood.
const SETTINGS = {
  overlay: { of: (view) => String(Math.round(100 * view.strength)), to: (text) => /^\d{1,3}$/.test(text) && text <= 100 && { strength: text / 100 } },
  colors: { of: (view) => view.map, to: (text) => Object.hasOwn(av.luts, text) && text !== "diverging" && { map: text } },
  scale: { of: (view) => view.scale, to: (text) => ["own", "shared", "absolute"].includes(text) && { scale: text } },
  grid: { of: (view) => (view.smooth ? "smooth" : "native"), to: (text) => ["smooth", "native"].includes(text) && { smooth: text === "smooth" } },
};
// Where a person is: the open tab; once they were chosen, the stage and the networks that are compared, and those that
// are counted. `read` gives what of a text is understood.
const tabs = () => [...document.querySelectorAll("[role=tab]")];
const among = (known) => (text) => (known.includes(text) ? text : "");
const PLACES = {
  tab: { read: among(props.tabs), plain: props.tabs[0], go: stay },
  stage: { read: among(props.stages), go: (name) => av.put("stage", name) },
  compare: {
    read: (text) => (text === "none" ? text : [...new Set(text.split(",").filter(listed))].slice(0, props.most).join(",")),
    // A person's own network is not in a link.
    of: (text) => text.replace(/own:[^,]*/g, "own"),
    go: (text) => av.put("compare", text),
  },
  networks: {
    read: (text) => (text.split(",").length <= 2 && text.split(",").every((id) => props.models.includes(id)) ? text : ""),
    go: (text) => av.put("networks", text),
  },
  input: { read: among(props.sides.map(String)), go: (text) => av.put("input", text) },
};
/** Whether there may be such a network: one that is listed, with or without its weights, or a name of timm's. */
function listed(id) {
  const plain = id.replace(/^random:/, "");
  return [id, plain, `random:${id}`].some((each) => props.models.includes(each)) || /^timm:[\w.-]{1,120}$/.test(plain);
}
let returning = false; // to a tab that the address names: no step of its own
function stay(name) {
  returning = true;
  av.go(name);
  returning = false;
}
const asked = new URLSearchParams(location.search);
const plain = {}; // the settings that the page starts with
let teaching = asked.get("lecture") === "1";
let hidden = (asked.get("hide") ?? "").split(",").filter(Boolean);
let touched = false; // an address that nobody changed stays as it is
let opening = false; // what the address asks for is on its way: until then it stays

link.textContent = words.link;
lecture.textContent = words.lecture;
address.setAttribute("aria-label", words.address);

/** The page's address with all that it shows. */
function current() {
  const next = new URLSearchParams();
  if (asked.has("__theme")) next.set("__theme", asked.get("__theme"));
  for (const [name, value] of Object.entries(props.value?.link ?? {})) next.set(name, value);
  const view = av.get("view");
  for (const [name, { of }] of Object.entries(SETTINGS)) {
    if (view && plain[name] !== undefined && of(view) !== plain[name]) next.set(name, of(view));
  }
  for (const [name, { plain: first, of = String }] of Object.entries(PLACES)) {
    const place = av.get(name);
    if (place && place !== first) next.set(name, of(place));
  }
  if (teaching) next.set("lecture", "1");
  if (hidden.length) next.set("hide", hidden.join(","));
  return `${location.origin}${location.pathname}?${next}`;
}

/** Tell the address: in place, or as a step that the browser's Back takes back. */
function write(step = false) {
  clearTimeout(waiting);
  if (!address.hidden) address.value = current();
  if (!touched || opening) return;
  try {
    if (step) history.pushState(history.state, "", current());
    else history.replaceState(history.state, "", current());
  } catch { /* a browser bears only so many changes of its address a minute; the next one tells it all */ }
}

/** Write once a slider rests. */
let waiting = 0;
const writeSoon = () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => write(), 300);
};

function teach(on) {
  teaching = on;
  const zoom = on && window.innerWidth >= ROOM ? LARGER : 1;
  document.body.style.zoom = zoom > 1 ? zoom : "";
  document.body.classList.toggle("av-stacked", window.innerWidth / zoom < BESIDE);
  document.body.classList.toggle("av-lecture", on);
  lecture.setAttribute("aria-pressed", String(on));
}

/** What the address asks for: settings here, the state from the server; what is not understood is named. */
function open() {
  const junk = hidden.filter((name) => !props.hideable.includes(name)).map((name) => `hide=${name}`);
  hidden = hidden.filter((name) => props.hideable.includes(name));
  document.body.dataset.hide = hidden.join(" ");
  teach(teaching);
  const settings = {};
  for (const [name, { to }] of Object.entries(SETTINGS)) {
    if (!asked.has(name)) continue;
    const found = to(asked.get(name));
    if (found) Object.assign(settings, found);
    else junk.push(name);
  }
  for (const [name, { read, go }] of Object.entries(PLACES)) {
    if (!asked.has(name)) continue;
    const found = read(asked.get(name));
    if (found) go(found);
    if (!found || found !== asked.get(name)) junk.push(name);
  }
  if (Object.keys(settings).length) av.put("settings", settings);
  const state = Object.fromEntries([...asked].filter(([name]) => props.names.includes(name)));
  if (Object.keys(state).length) {
    [touched, opening] = [true, true];
    av.send(trigger, { link: { asked: state, junk } });
  } else if (junk.length) av.put("notice", av.fill(words.lost, { names: junk.join(", ") }));
}

link.addEventListener("click", async () => {
  [touched, address.hidden] = [true, false];
  write();
  address.focus();
  address.select();
  try {
    await navigator.clipboard.writeText(address.value);
    link.textContent = words.copied;
  } catch {
    link.textContent = words.copy; // no leave to copy: it is selected, to be copied by hand
  }
  setTimeout(() => { link.textContent = words.link; }, 2500);
  if (av.get("state")?.source.startsWith("upload:")) av.put("notice", words.unshared);
});
address.addEventListener("blur", () => { address.hidden = true; });
window.addEventListener("resize", () => element.isConnected && teach(teaching));
lecture.addEventListener("click", () => {
  touched = true;
  teach(!teaching);
  write();
});
taken.setAttribute("aria-label", words.export);
taken.replaceChildren(av.node("option", { value: "", text: words.export }),
  ...props.kinds.map((kind) => av.node("option", { value: kind, text: words[kind] })));
taken.addEventListener("change", () => {
  const [tab, stage] = [av.get("tab"), av.get("stage") ?? props.stages.at(-2)];
  const models = (av.get("compared") ?? []).map(({ id }) => id);
  if (taken.value) av.send(trigger, { export: { kind: taken.value, view: av.get("view"), tab, stage, models } });
  taken.value = "";
});

av.on("busy", element, (busy) => { opening &&= busy; }); // refused, or given up

// One file at a time: choices that wait for an answer are gathered, and would be one.
// Models and Bench have their own, and a text is not exported.
const exportable = () => { taken.disabled = av.get("busy") || !["inspect", "compare"].includes(av.get("tab")); };
for (const topic of ["busy", "tab"]) av.on(topic, element, exportable);

watch("value", () => {
  opening = false;
  if (props.value.file) av.keep(props.value.file);
  touched = true;
  write();
});
av.on("view", element, (view) => {
  for (const [name, { of }] of Object.entries(SETTINGS)) plain[name] ??= of(view);
  writeSoon();
});
for (const place of ["stage", "compare", "networks", "input"]) av.on(place, element, () => write());
window.addEventListener("popstate", () => {
  const name = new URLSearchParams(location.search).get("tab") ?? props.tabs[0];
  if (element.isConnected && name !== av.get("tab")) stay(name);
});
document.addEventListener("click", ({ target }) => {
  const tab = target.closest?.("[role=tab]");
  if (!tab || !element.isConnected) return;
  const step = !returning && tab.dataset.tabId !== av.get("tab");
  touched = true;
  av.put("tab", (document.body.dataset.tab = tab.dataset.tabId));
  write(step);
});
av.put("tab", (document.body.dataset.tab = props.tabs[0]));
/** Open what the address asks for once the tabs are drawn; the server, too, is heard only then. */
function start(tries = 300) {
  if (tabs().length >= props.tabs.length || !tries) open();
  else requestAnimationFrame(() => start(tries - 1));
}
setTimeout(start, 0);
