// The document's elements, and the address that it came from.

export const byId = (id) => document.getElementById(id);

export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function make(tag, className, parent, text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  parent.append(element);
  return element;
}

export function paint(element, colour) {
  element.style.background = colour ? colour.fill : "";
  element.style.color = colour ? colour.ink : "";
}

export function address(path) { // of a WebSocket there
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
}
