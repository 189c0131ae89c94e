/** Pages of documentation: the buttons that copy examples. */

for (const button of document.querySelectorAll<HTMLButtonElement>('button.copy')) {
  const code = button.closest('figure')?.querySelector('code')?.textContent ?? '';
  button.addEventListener('click', () => {
    navigator.clipboard.writeText(code).then(
      () => (button.textContent = 'Copied'),
      () => (button.textContent = 'Select the text and copy it'),
    );
  });
}
