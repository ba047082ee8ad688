/* Finds headings of all pages by their words. Without a script the field stays hidden and nothing else is lost. */
const form = document.querySelector('form[role=search]');
const field = document.querySelector('#search');
const list = document.querySelector('#found');
const count = document.querySelector('#count');
const most = 12;

function find() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = ([text, page]) =>
    words.every((word) => `${text} ${page}`.toLowerCase().includes(word));
  const found = words.length === 0 ? [] : globalThis.headings.filter(fits);
  list.replaceChildren(
    ...found.slice(0, most).map(([text, page, address]) => {
      const link = document.createElement('a');
      link.href = `${document.body.dataset.root}/${address}`;
      const where = document.createElement('small');
      where.textContent = page;
      link.append(text, ' ', where);
      const item = document.createElement('li');
      item.append(link);
      return item;
    }),
  );
  const more = found.length > most ? `, the first ${most} shown` : '';
  count.textContent = words.length === 0 ? '' : `${found.length} found${more}`;
}

form.hidden = false;
field.addEventListener('input', find);
form.addEventListener('submit', (event) => {
  event.preventDefault();
  list.querySelector('a')?.click();
});
form.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  field.value = '';
  find();
  field.focus();
});
