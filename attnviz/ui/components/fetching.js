const av = window.attnviz;
const words = props.words;
const at = (selector) => element.querySelector(selector);
const [card, progress, cancel] = ["section", ".progress", "button"].map(at);

let [count, wish] = [0, null]; // the number of the last request, and what is to be done when the weights are there
const dropped = new Set();
let key = null; // what the server knows this download by

cancel.textContent = words.cancel;

/** Fetch a network's weights; then call `then`. A later wish takes the place of one on its way. */
function start({ id, name, then }) {
  leave();
  [wish, key] = [{ then, name }, null];
  count += 1;
  tell({ share: 0, text: av.fill(words.looking, { name }) });
  card.hidden = false;
  trigger("select", { id, name, serial: count });
}

function leave() {
  if (wish && key) drop(key);
  wish = null;
  card.hidden = true;
}

/** Tell the server that this page waits for a download no more. */
function drop(left) {
  if (dropped.has(left)) return;
  dropped.add(left);
  server.cancel(left).catch(() => {});
}

function tell({ share, text }) {
  const percent = Math.round(100 * share);
  progress.style.setProperty("--share", `${percent}%`);
  progress.setAttribute("aria-valuenow", percent);
  progress.setAttribute("aria-label", av.fill(words.label, { name: wish.name }));
  progress.querySelector("span").textContent = text;
}

function show() {
  const value = props.value;
  if (!value) return;
  if (value.serial !== count || !wish) {
    if (value.progress) drop(value.key); // it was left before the server had said its key
    return;
  }
  key = value.key;
  if (value.progress) return tell(value.progress);
  const { then } = wish;
  wish = null;
  card.hidden = true;
  if (value.said) av.put("notice", value.said);
  av.put("fetched", { id: value.id, there: value.there });
  if (value.there) then();
}

cancel.addEventListener("click", () => {
  leave();
  av.put("notice", words.canceled);
  av.put("fetched", { there: false });
});
av.on("fetch", element, (asked) => {
  if (asked) start(asked);
  else leave(); // another network was chosen meanwhile
});
watch("value", show);
