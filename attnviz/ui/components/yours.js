const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [weights, code, file, said, doing, result] = [".weights", ".code", "[type=file]", ".said", ".doing", ".result"].map(at);
const COLUMNS = ["layer", "mechanism", "kinds", "verified"];

const texts = {
  ".weights h2": "heading", ".weights .hint": "hint", ".weights .name": "architecture", ".weights .choose": "choose",
  ".weights .chosen": "none", ".weights .load": "load", ".convert": "convert", ".code h2": "code",
  ".code .hint": "code_hint", ".code .name": "path", ".code .load": "run", ".open": "open",
};
for (const [selector, name] of Object.entries(texts)) at(selector).textContent = words[name];
at(".built").textContent = av.fill(words.architectures, { built: props.built });
at("code").textContent = props.convert;
code.hidden = !props.code;

let count = 0; // the number of the last network that was brought
let waiting = false;

function wait(text) {
  waiting = !!text;
  doing.textContent = text;
  for (const button of element.querySelectorAll(".load")) button.disabled = waiting;
}

function refuse(text) {
  wait("");
  said.textContent = text;
  said.hidden = !text;
}

function bring(asked) {
  refuse("");
  result.hidden = true;
  wait(words.loading);
  count += 1;
  trigger("select", { ...asked, serial: count });
}

/** The file under a name that nobody else gives: equal files of equal names share one path, and this one is deleted. */
function named(chosen) {
  const token = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return new File([chosen], `${token}-${chosen.name}`, { type: chosen.type });
}

at(".choose").addEventListener("click", () => file.click());
file.addEventListener("change", () => {
  at(".chosen").textContent = file.files[0]?.name ?? words.none;
});

weights.addEventListener("submit", async (event) => {
  event.preventDefault();
  const [architecture, chosen] = [at(".architecture").value.trim(), file.files[0]];
  if (waiting) return;
  if (!architecture || !chosen) return refuse(words.incomplete);
  const megabytes = (bytes) => (bytes / 1e6).toFixed(0);
  if (chosen.size > props.most) {
    return refuse(av.fill(words.too_large, { name: chosen.name, size: megabytes(chosen.size), most: megabytes(props.most) }));
  }
  refuse("");
  wait(av.fill(words.uploading, { name: chosen.name }));
  try {
    const { path } = await upload(named(chosen));
    bring({ architecture, path });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    refuse(av.fill(words.refused, { why: /"detail": *"([^"]*)"/.exec(why)?.[1] ?? why }));
  }
});
code.addEventListener("submit", (event) => {
  event.preventDefault();
  const path = at(".path").value.trim();
  if (path && !waiting) bring({ code: path });
});

function show() {
  const value = props.value;
  if (!value || value.serial !== count) return;
  refuse(value.said ?? "");
  result.hidden = !value.model;
  if (!value.model) return;
  at(".found").textContent = av.fill(words.found, value);
  av.put("brought", [...(av.get("brought") ?? []), { id: value.model, name: value.name }]); // this page alone knows it
  const rows = value.blocks.map((block) => av.node("tr", { "data-layer": block.layer, "data-error": String(block.error) },
    ...COLUMNS.map((name) => av.node("td", { text: name === "verified" ? words[block.verified ? "yes" : "no"] : block[name] }))));
  at("thead").replaceChildren(av.node("tr", {}, ...COLUMNS.map((name) => av.node("th", { scope: "col", text: words[name] }))));
  at("tbody").replaceChildren(...rows);
  at("table").hidden = !rows.length;
  at(".skipped").textContent = value.skipped.length ? `${words.skipped}: ${value.skipped.join(", ")}` : rows.length ? "" : words.nothing;
  at(".open").focus();
}

at(".open").addEventListener("click", () => {
  const nothing = { target: null, against: null, layer: null, part: null, query: null, channel: null };
  av.put("wish", { model: props.value.model, ...nothing, method: "grad_cam" });
  av.go("inspect");
});
watch("value", show);
