// A figure to tap answers the fields beside it: each spot names them as "side:left part:index". Fields that the form
// does not have are passed over. What is chosen there shows on the figure, however it was chosen.

const answers = (spot) => spot.dataset.set.split(/\s+/).map((pair) => pair.split(":"));

// the boxes, buttons or options of a field that stand for the value, each with how to take it
const choice = (form, name, value) => {
  const field = form.elements.namedItem(name);
  if (!field) return null;
  const options = field instanceof HTMLSelectElement ? field.options : field instanceof RadioNodeList ? field : [field];
  return [...options].find((option) => option.value === value) ?? null;
};
const taken = (option) => (option instanceof HTMLOptionElement ? option.selected : option.checked);
const take = (option, on) => {
  if (option instanceof HTMLOptionElement) option.selected = true;
  else option.checked = on || option.type === "radio";
  (option.closest("select") ?? option).dispatchEvent(new Event("change", { bubbles: true }));
};

export const figure = (drawn) => {
  if (!drawn.hidden) return;
  const form = drawn.closest("form");
  const spots = [...drawn.querySelectorAll("[data-set]")];
  const show = () => {
    for (const spot of spots) {
      const asked = answers(spot).map((pair) => choice(form, ...pair)).filter(Boolean);
      spot.classList.toggle("on", asked.length > 1 && asked.every(taken));
    }
  };
  drawn.addEventListener("click", ({ target }) => {
    const spot = target.closest("[data-set]");
    if (!spot) return;
    // a second tap takes a box off again; buttons and lists have one answer and keep it
    const again = spot.classList.contains("on");
    for (const pair of answers(spot)) {
      const option = choice(form, ...pair);
      if (option) take(option, !again);
    }
  });
  form.addEventListener("change", show);
  drawn.hidden = false;
  show();
};
