const line = element.querySelector(".av-banner");

function show() {
  line.hidden = !props.value;
  line.textContent = props.value ?? "";
}

watch("value", show);
show();
