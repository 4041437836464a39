// A long list shows what fits the answer it depends on, as each choice says of itself. A choice that fits no
// more is taken back, so that nothing is sent that the reader cannot see.

export const narrow = (list) => {
  if (list.dataset.narrowed) return;
  list.dataset.narrowed = "yes";
  const of = list.form.elements.namedItem(list.dataset.within);
  const all = [...list.options];
  const fit = () => {
    const chosen = list.value;
    list.replaceChildren(...all.filter((option) => !option.dataset.of || option.dataset.of === of.value));
    list.value = chosen;
    if (list.selectedIndex < 0) list.selectedIndex = list.options.length - 1;
  };
  of.addEventListener("change", fit);
  fit();
};
