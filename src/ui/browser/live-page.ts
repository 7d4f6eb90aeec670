/**
 * The script of the live page: puts what the server has drawn in its places, and tells the server what was pressed.
 * The token stands in the fragment of the address, which browsers send to nobody.
 */
const headers = { Authorization: `Bearer ${location.hash.slice(1)}`, 'Content-Type': 'application/json' }

/** What is open, focused, chosen and scrolled to stays so when a part is drawn anew. */
function draw(place: HTMLElement, markup: string): void {
  const isOpen = new Map([...place.querySelectorAll('details[id]')].map(each => [each.id, each.hasAttribute('open')]))
  const chosen = [...place.querySelectorAll('select')].map(({ name, value }) => ({ name, value }))
  const focused = place.contains(document.activeElement) ? document.activeElement : null
  const word = focused?.id
    ? `#${CSS.escape(focused.id)}`
    : focused?.getAttribute('data-do') && `[data-do="${CSS.escape(focused.getAttribute('data-do') ?? '')}"]`
  const scrolled = place.firstElementChild?.scrollTop ?? 0
  place.innerHTML = markup
  for (const each of place.querySelectorAll('details[id]')) {
    const before = isOpen.get(each.id)
    if (before !== undefined) each.toggleAttribute('open', before)
  }
  for (const { name, value } of chosen) {
    const select = place.querySelector<HTMLSelectElement>(`select[name="${name}"]`)
    if (select !== null && [...select.options].some(option => option.value === value)) select.value = value
  }
  if (place.firstElementChild) place.firstElementChild.scrollTop = scrolled
  if (word) place.querySelector<HTMLElement>(word)?.focus()
}

async function follow(): Promise<void> {
  const gone = document.getElementById('gone')!
  for (;;) {
    try {
      const answer = await fetch('/events', { headers })
      if (answer.status === 403) {
        gone.textContent = 'The address lacks its token: open the one that the command printed.'
        return
      }
      gone.textContent = ''
      const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader()
      let rest = ''
      for (;;) {
        const { value, done } = await reader.read()
        if (done) break
        const lines = (rest + value).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) {
          const { region, markup } = JSON.parse(line) as { region: string; markup: string }
          draw(document.getElementById(region)!, markup)
        }
      }
    } catch {
      // The server went away: said below, and tried again.
    }
    gone.textContent = 'podwire ui has ended, or cannot be reached'
    await new Promise(resolve => setTimeout(resolve, 1000))
  }
}

const tell = (body: object): Promise<Response> => fetch('/do', { method: 'POST', headers, body: JSON.stringify(body) })

document.addEventListener('click', event => {
  const button = event.target instanceof Element ? event.target.closest('[data-do]') : null
  if (button) void tell({ do: button.getAttribute('data-do') })
})
document.addEventListener('submit', event => {
  event.preventDefault()
  const form = event.target as HTMLFormElement
  void tell({ form: form.dataset.form, values: Object.fromEntries(new FormData(form, event.submitter)) })
})
document.getElementById('save')?.addEventListener('click', () => {
  void (async () => {
    const answer = await fetch('/report.html', { headers })
    const link = document.createElement('a')
    link.href = URL.createObjectURL(await answer.blob())
    link.download = 'podwire-live.html'
    link.click()
    URL.revokeObjectURL(link.href)
  })()
})
void follow()
