// How the page asks the WebApi: a form there, JSON back.

import { Refused } from "./freeim.js";

const PATIENCE = 10_000; // milliseconds

// Throws Refused, with the WebApi's reason, if asking again would not help.
export async function ask(path, fields = {}) {
  const body = new URLSearchParams(fields);
  const signal = AbortSignal.timeout(PATIENCE);
  const response = await fetch(path, { method: "POST", body, signal });
  const answer = await response.json();
  if (response.status === 400) throw new Refused(answer.message);
  if (!response.ok) throw new Error(answer.message);
  return answer;
}
