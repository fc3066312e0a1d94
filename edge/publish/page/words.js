// Numbers, spans and lists as people read them.

export const percent = (share) => `${Math.round(100 * share)}\u00a0%`;
export const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);

export function duration(s, digits = 1) {
  if (s < 60) return `${s.toFixed(digits)}\u00a0s`;
  const m = Math.floor(s / 60), h = Math.floor(m / 60);
  return h ? `${h}\u00a0h ${m % 60}\u00a0min` : `${m}\u00a0min ${Math.floor(s % 60)}\u00a0s`;
}

export function listed(names) {
  return names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0] ?? "nothing";
}
