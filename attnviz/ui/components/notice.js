const av = window.attnviz;
const box = element.querySelector(".av-notice");
const [line, close] = box.children;

close.setAttribute("aria-label", props.words.close);
close.addEventListener("click", () => say(""));

function say(text) {
  line.textContent = text;
  box.hidden = !text;
}

function show() {
  const { text, state, serial } = props.value ?? {};
  av.settle(state, serial);
  say(text ?? "");
}

watch("value", show);
show();
av.on("notice", element, say);
av.on("late", element, () => {
  av.giveUp();
  say(props.words.late);
});
