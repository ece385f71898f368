const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [image, file, list, drop] = [at(".drop img"), at("input"), at(".examples"), at(".drop")];

at("h2").textContent = words.heading;
at("h3").textContent = words.examples;
at(".hint span").textContent = words.hint;
at(".hint button").textContent = words.choose;
at(".kept").textContent = words.kept;
at(".seen").textContent = words.crop;

let bringing = 0; // which choice of a picture is the newest: an upload that ends after a newer one is dropped

for (const example of props.examples) {
  const button = av.node("button", { type: "button", "data-source": example.source, "aria-pressed": "false" },
    av.node("img", { src: example.thumb, alt: "" }),
    av.node("span", { class: "name", text: example.label }),
    av.node("span", { class: "origin", text: words[example.origin] }));
  button.addEventListener("click", () => choose(example.source));
  list.append(av.node("li", {}, button));
}

// Another picture is another question: its own prediction is explained, from its own strongest place.
function choose(source) {
  bringing += 1;
  at(".hint span").textContent = words.hint;
  av.send(trigger, { source, target: null, against: null, query: null, channel: null, method: "grad_cam" });
}

async function bring(chosen) {
  if (!chosen) return;
  const mine = ++bringing;
  at(".hint span").textContent = words.uploading;
  av.busy(true);
  try {
    const [size, most] = [chosen.size, props.most].map((bytes) => (bytes / 1e6).toFixed(0));
    if (chosen.size > props.most) throw new Error(av.fill(words.too_large, { size, most }));
    const { path } = await upload(chosen);
    if (mine === bringing) choose(`upload:${path}`);
  } catch (error) {
    if (mine !== bringing) return;
    at(".hint span").textContent = words.hint;
    const why = error instanceof Error ? error.message : String(error);
    av.put("notice", av.fill(words.refused, { why: /"detail": *"([^"]*)"/.exec(why)?.[1] ?? why }));
    av.busy(false);
  }
}

at(".hint button").addEventListener("click", () => file.click());
file.addEventListener("change", () => {
  bring(file.files[0]);
  file.value = "";
});
element.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
element.addEventListener("dragleave", () => drop.classList.remove("over"));
element.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  bring(event.dataTransfer.files[0]);
});
const paste = (event) => {
  if (!element.isConnected) document.removeEventListener("paste", paste);
  else if (event.clipboardData?.files.length) bring(event.clipboardData.files[0]);
};
document.addEventListener("paste", paste);

/** The part that the network sees, framed on the picture as it lies in its box. */
function frame() {
  const value = props.value;
  const whole = !value || value.box.every((end, i) => Math.abs(end - (i > 1)) < 1e-3);
  at(".crop").hidden = at(".seen").hidden = whole;
  if (whole || !drop.clientWidth) return;
  const scale = Math.min(drop.clientWidth / value.width, drop.clientHeight / value.height);
  const [width, height] = [value.width * scale, value.height * scale];
  const [left, top, right, bottom] = value.box;
  Object.assign(at(".crop").style, {
    left: `${(drop.clientWidth - width) / 2 + left * width}px`,
    top: `${(drop.clientHeight - height) / 2 + top * height}px`,
    width: `${(right - left) * width}px`,
    height: `${(bottom - top) * height}px`,
  });
}

async function show() {
  const value = props.value;
  if (!value) return;
  image.src = value.src;
  image.alt = av.fill(words.alt, { name: value.name });
  frame();
  for (const button of list.querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.source === value.source));
  }
  const [large, small] = [new Image(), new Image()];
  [large.src, small.src] = [value.src, value.thumb];
  await Promise.all([large.decode(), small.decode()]);
  if (props.value.src === value.src) av.put("picture", { ...value, large, small });
}

watch("value", show);
av.follow(drop, frame);
show();
