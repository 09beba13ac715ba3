// Colours and language: what the browser prefers, unless the user chose otherwise here.

import { $, icon } from "./dom.js";
import { language, speak, t } from "./texts.js";

const isDark = matchMedia("(prefers-color-scheme: dark)");

function theme() {
  return localStorage.getItem("theme") ?? (isDark.matches ? "dark" : "light");
}

function preferred() {
  const chosen = localStorage.getItem("language");
  return chosen ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");
}

function applyTheme() {
  document.documentElement.dataset.theme = theme();
  const other = theme() === "dark" ? "light" : "dark";
  const button = $("theme");
  button.replaceChildren(icon(other === "dark" ? "moon" : "sun"));
  button.title = t(other);
  button.setAttribute("aria-label", t(other));
}

// Calls `onLanguage` whenever everything has to be said in another language.
export function applyLooks(onLanguage) {
  speak(preferred());
  applyTheme();
  isDark.addEventListener("change", applyTheme);
  $("theme").onclick = () => {
    localStorage.setItem("theme", theme() === "dark" ? "light" : "dark");
    applyTheme();
  };
  $("language").onclick = () => {
    const other = language === "zh" ? "en" : "zh";
    localStorage.setItem("language", other);
    speak(other);
    applyTheme();
    onLanguage();
  };
}
