// Makes elements. Whatever people wrote becomes text: nothing here reads markup.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

// h("button.quiet", { type: "button", onclick }, icon("x"), "text")
export function h(name, properties = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties)) {
    if (key in element) element[key] = value;
    else if (value !== null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

export function icon(name) {
  const use = s("use", { href: `icons.svg#${name}` });
  return s("svg", { class: "icon", "aria-hidden": "true", viewBox: "0 0 24 24" }, use);
}

// Two letters of a name, or one ideograph.
export function initials(name) {
  const words = name.trim().split(/\s+/);
  const [first = "?"] = words[0];
  const second = words.length > 1 ? [...words.at(-1)][0] : ([...words[0]][1] ?? "");
  return first.charCodeAt(0) > 0x2e80 ? first : (first + second).toUpperCase();
}

// One of the tints of the style sheet, always the same for a name.
export function tintOf(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 9973;
  return sum % 6;
}

export function avatar(name) {
  const properties = { "aria-hidden": "true", "data-tint": tintOf(name) };
  return h("span.avatar", properties, initials(name));
}

export const hidden = (text) => h("span.for-readers", {}, text);

// Makes the children of `list` those of `items`, in their order; an element stays the
// same as long as its key is there, and keeps the focus.
export function keep(list, items, keyOf, make, update) {
  const old = new Map([...list.children].map((child) => [child.dataset.key, child]));
  let next = list.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let child = old.get(key);
    old.delete(key);
    if (!child) {
      child = make(item);
      child.dataset.key = key;
    }
    update(child, item);
    if (child === next) next = next.nextElementSibling;
    else list.insertBefore(child, next);
  }
  for (const child of old.values()) child.remove();
}

// Lets the arrow keys walk through the `.pick` buttons of a list: one stop for Tab.
export function rove(list) {
  const picks = () => [...list.querySelectorAll(".pick")];
  list.addEventListener("focusin", ({ target }) => {
    if (!target.matches(".pick")) return;
    for (const pick of picks()) pick.tabIndex = pick === target ? 0 : -1;
  });
  list.addEventListener("keydown", (event) => {
    const all = picks();
    const at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 };
    const next = at < 0 ? undefined : all[to[event.key]];
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
}

// Keeps one of them reachable by Tab after the list has changed.
export function keepRoving(list) {
  const picks = [...list.querySelectorAll(".pick")];
  const current =
    picks.find((one) => one === document.activeElement) ??
    picks.find((one) => one.getAttribute("aria-current") === "true") ??
    picks[0];
  for (const pick of picks) pick.tabIndex = pick === current ? 0 : -1;
}
