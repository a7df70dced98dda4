/** Renders what looks like markup, by a factory of its own: the case is that a step may be written in TSX. */
function h(type: string, _: unknown, ...children: unknown[]) {
  return `<${type}>${children.join("<!-- -->")}</${type}>`;
}

export async function rendered() {
  "use workflow";
  return render(2);
}

async function render(n: number) {
  "use step";
  return h("div", null, "hello world ", n);
}
