// What the server sends and what the page remembers: packed arrays, topics, and the state that every event carries.
window.attnviz = (() => {
  const topics = new Map();

  function bytes(text) {
    const raw = atob(text);
    const out = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
    return out;
  }

  /** A packed array as {data, shape, min, max}; 8-bit arrays come back as floats in min..max. */
  function unpack(packed) {
    if (!packed) return null;
    const raw = bytes(packed.data);
    const { shape, min, max } = packed;
    if (packed.bits !== 8) return { data: new Float32Array(raw.buffer), shape, min, max };
    const data = Float32Array.from(raw, (b) => min + (b / 255) * (max - min));
    return { data, shape, min, max };
  }

  const topic = (name) => {
    if (!topics.has(name)) topics.set(name, { value: undefined, listeners: new Set() });
    return topics.get(name);
  };

  /** Remember a value under a name and tell everyone who listens. */
  function put(name, value) {
    const { listeners } = topic(name);
    topic(name).value = value;
    for (const listener of [...listeners]) {
      if (listener.element.isConnected) listener.tell(value);
      else listeners.delete(listener);
    }
  }

  /** Call `tell` with the value there is, and with each one that follows for as long as `element` is on the page. */
  function on(name, element, tell) {
    const entry = topic(name);
    entry.listeners.add({ element, tell });
    if (entry.value !== undefined) tell(entry.value);
  }

  const get = (name) => topic(name).value;

  // One request is on its way at a time: answers then come in order, and the last click stands. What is
  // asked meanwhile is gathered and sent when the answer is there. The server confirms a state with every answer.
  const PATIENCE = 60000; // milliseconds without a word from the server
  let confirmed = {};
  let flight = null; // the number of the request on its way
  let next = null; // {trigger, patch}: what to ask for after it
  let [last, flown] = [null, {}]; // the trigger and the patch of the last request
  let stale = false; // an answer may still come that nobody waits for: the next request redraws everything
  let count = 0;
  let waiting = 0;

  let forgotten = {}; // for a field of the state those whose change puts something else in its place

  /** Ask the server for a change of state; whether it is asked: what is said of what is about to go is not passed on. */
  function send(trigger, patch) {
    const coming = { ...flown, ...next?.patch };
    const goes = (name) => forgotten[name]?.some((other) => other in coming);
    if (flight !== null && Object.keys(patch).every(goes)) return false;
    next = { trigger, patch: { ...next?.patch, ...patch } };
    put("busy", true);
    if (flight === null) fly();
    return true;
  }

  /** What the fields of the state are forgotten for, as the server declares it. */
  const declare = (rules) => (forgotten = rules);

  function fly() {
    const { trigger, patch } = next;
    if (stale && !("link" in patch)) patch.source ??= confirmed.source;
    [next, last, flown, stale] = [null, trigger, patch, false];
    count += 1;
    flight = count;
    alive();
    trigger("select", { ...confirmed, ...patch, changes: Object.keys(patch), serial: flight });
  }

  /** The server has said something, and is waited for anew. */
  function alive() {
    clearTimeout(waiting);
    if (flight !== null) waiting = setTimeout(() => put("late", flight), PATIENCE);
  }

  /** The server's answer to a request, by its number; a refusal leaves the state as it was. */
  function settle(state, serial) {
    if (serial !== flight && last) {
      // It came too late, and the page shows what it brought: what follows, or a request for all, draws over it.
      if (flight === null) send(last, { source: confirmed.source });
      return;
    }
    if (state) put("state", (confirmed = state));
    free();
  }

  /** Wait no longer for the request on its way; its answer may still come. */
  function giveUp() {
    stale = true;
    free();
  }

  function free() {
    clearTimeout(waiting);
    flight = null;
    if (next) fly();
    else put("busy", false);
  }

  /** Say whether the page waits: for the server, or for what a part does by itself. */
  const busy = (own) => put("busy", own || flight !== null);

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);

  /** A number for people: three significant digits. */
  function short(value) {
    if (!Number.isFinite(value)) return String(value);
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size < 1e-3 || size >= 1e5) return value.toExponential(2).replace("e-", "e−").replace(/^-/, "−");
    return (size >= 1000 ? value.toFixed(0) : value.toPrecision(3)).replace(/^-/, "−");
  }

  /** An axis's number: without the zeros that say nothing. */
  const level = (value) => short(value).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");

  function node(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key === "text") made.textContent = value;
      else if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
    }
    made.append(...children);
    return made;
  }

  /** Give the visitor's browser a file to keep. */
  function keep({ name, mime, data }) {
    const address = URL.createObjectURL(new Blob([bytes(data)], { type: mime }));
    node("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }

  /** A choice of one of several [value, text]: {element, mark(value)}; choosing calls `choose(value)`. */
  function choice(label, options, choose) {
    const element = node("div", { class: "av-switch", role: "radiogroup", "aria-label": label });
    const buttons = options.map(([value, text]) => {
      const button = node("button", { type: "button", role: "radio", "data-value": String(value), text });
      button.addEventListener("click", () => {
        mark(value);
        choose(value);
      });
      return button;
    });
    element.append(...buttons);
    element.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const shown = buttons.filter((button) => !button.hidden);
      const next = shown[(shown.indexOf(document.activeElement) + step + shown.length) % shown.length];
      next.click();
      next.focus();
    });
    function mark(value) {
      for (const button of buttons) {
        const chosen = button.dataset.value === String(value);
        button.setAttribute("aria-checked", String(chosen));
        button.tabIndex = chosen ? 0 : -1;
      }
    }
    return { element, mark };
  }

  return { choice, bytes, unpack, put, on, get, declare, send, settle, alive, giveUp, busy, fill, short, level, node, keep, luts: {} };
})();
