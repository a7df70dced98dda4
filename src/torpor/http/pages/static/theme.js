// Before anything is drawn: the theme that was chosen here, if any; else the machine's.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("torpor-theme");
  } catch {
    // no storage: the machine's theme
  }
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
})();
