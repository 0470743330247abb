const KEY = 'playground.theme';
const choices = document.querySelectorAll('input[name="theme"]');

/** Auto is what the system says; a choice holds for this browser. */
function apply(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const choice of choices) choice.checked = choice.value === theme;
}

const kept = localStorage.getItem(KEY);
if (kept === 'light' || kept === 'dark') apply(kept);
for (const choice of choices) {
  choice.addEventListener('change', () => {
    localStorage.setItem(KEY, choice.value);
    apply(choice.value);
  });
}
