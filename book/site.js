// SPDX-License-Identifier: GPL-2.0-or-later
//
// What the pages do beyond being read: search, unfold chunks where they are used,
// show what an identifier is, keys, dark and light.  All of it works from a disk:
// what is not in the page comes as a script, never by fetch.
'use strict'

// the scripts beside the pages call these
const book = { chunks: {}, add(more) { Object.assign(this.chunks, more) }, found() {} }

const $ = (selector, from = document) => from.querySelector(selector)
const all = (selector, from = document) => [...from.querySelectorAll(selector)]

function make(tag, properties = {}, ...inside) {
	const e = document.createElement(tag)
	for (const [k, v] of Object.entries(properties)) {
		if (k in e) e[k] = v
		else e.setAttribute(k, v)
	}
	e.append(...inside)
	return e
}

const loading = {}
function load(file) {
	return loading[file] ||= new Promise((done, failed) => {
		document.head.append(make('script', { src: file, onload: done,
			onerror: () => { delete loading[file]; failed(new Error(file)) } }))
	})
}

// --- Addresses ----------------------------------------------------------------

// the page that has chunk S7
function pageOf(number) {
	const [, letter, count] = /^([A-Z])(\d+)$/.exec(number) || []
	const page = window.pages.find(([, , l, first, last]) =>
		l === letter && first <= count && count <= last)
	return page && page[0]
}

async function chunk(number) {
	await load('code/' + pageOf(number).replace(/html$/, 'js'))
	const [address, name, html] = book.chunks[number]
	return { address, name, lines: make('span', { innerHTML: html }) }
}

// index.html#S7, or a chunk that has moved to another chapter since
function followAddress() {
	const id = decodeURIComponent(location.hash.slice(1))
	const page = !document.getElementById(id) && pageOf(id.replace(/\..*/, ''))
	if (page) location.replace(page + '#' + id)
}

// --- Unfolding --------------------------------------------------------------------

let unfolded = 0

function addFolds(where) {
	for (const use of all('pre .use[data-defs], .unfolded .use[data-defs]', where)) {
		if (use.previousElementSibling?.matches('.fold')) continue
		use.before(make('button', { type: 'button', className: 'fold', ariaExpanded: 'false',
			ariaLabel: 'Unfold ' + use.textContent }))
	}
}

async function fold(button) {
	const use = button.nextElementSibling, line = button.closest('.l')
	if (button.ariaExpanded === 'true') {
		document.getElementById(button.getAttribute('aria-controls')).remove()
		button.removeAttribute('aria-controls')
		button.ariaExpanded = 'false'
		return
	}
	const id = 'unfolded-' + ++unfolded
	button.ariaExpanded = 'true'
	button.setAttribute('aria-controls', id)
	const box = make('span', { id, className: 'unfolded' })
	const columns = /^ */.exec(line.textContent)[0].length
	if (columns) box.style.marginLeft = columns + 'ch'
	line.after(box)
	for (const number of use.dataset.defs.split(' ')) {
		const { address, lines } = await chunk(number)
		for (const dfn of all('dfn', lines)) dfn.removeAttribute('id')
		box.append(make('a', { className: 'address', href: address }, number), ...lines.childNodes)
	}
	addFolds(box)
}

// --- What an identifier is ----------------------------------------------------------

let tip, tipOf, tipTimer

function hideTip() {
	clearTimeout(tipTimer)
	tip?.remove()
	tipOf?.removeAttribute('aria-describedby')
	tip = tipOf = null
}

async function showTip(link) {
	const id = decodeURIComponent(link.hash.slice(1)), number = id.replace(/\..*/, '')
	if (link === tipOf || !pageOf(number)) return
	hideTip()
	tipOf = link
	const { name, lines } = await chunk(number)
	if (tipOf !== link) return
	let line = $('dfn[id="' + CSS.escape(id) + '"]', lines)?.closest('.l') || $('.l', lines)
	const shown = []
	// the head of a function, or a whole structure, needs more than one line
	for (let open = 0; line; line = line.nextElementSibling) {
		if (shown.length === 8) {
			shown.push('…')
			break
		}
		shown.push(line.cloneNode(true))
		const text = line.textContent
		open += text.split(/[({]/).length - text.split(/[)}]/).length
		if (open <= 0 && !text.trimEnd().endsWith('\\')) break
	}
	const code = make('code', {}, ...shown)
	for (const e of all('[id]', code)) e.removeAttribute('id')
	for (const a of all('a', code)) a.replaceWith(make('span', { className: a.className }, ...a.childNodes))
	tip = make('div', { id: 'tip', role: 'tooltip' },
		make('b', {}, number), ' ', make('i', { innerHTML: '⟨' + name + '⟩' }), ' ',
		make('small', {}, 'in ' + window.pages.find(p => p[0] === pageOf(number))[1]), make('pre', {}, code))
	tip.addEventListener('mouseleave', hideTip)
	document.body.append(tip)
	const at = link.getBoundingClientRect(), size = tip.getBoundingClientRect()
	const room = document.documentElement.clientWidth
	const below = at.bottom + size.height + 8 < window.innerHeight
	tip.style.left = scrollX + Math.max(8, Math.min(at.left, room - size.width - 8)) + 'px'
	tip.style.top = scrollY + (below ? at.bottom + 2 : at.top - size.height - 2) + 'px'
	link.setAttribute('aria-describedby', 'tip')
}

// --- Search ---------------------------------------------------------------------------

let sections, index, searchDialog

book.found = (list, serialised) => {
	sections = list
	index = lunr.Index.load(serialised)
}

function search(words) {
	const found = index.query(query => {
		for (const word of lunr.tokenizer(words)) {
			query.term(word, { boost: 10 })
			query.term(word, { usePipeline: false, boost: 20 })
			query.term(word, { usePipeline: false, boost: 1,
				wildcard: lunr.Query.wildcard.TRAILING })
		}
	})
	return found.slice(0, 30).map(({ ref }) => sections[ref])
}

function result([address, chapter, title, text, chunks, idents], words) {
	const page = address.replace(/#.*/, '')
	const seen = new Set()
	const like = ([number, name]) => words.some(w => number.toLowerCase() === w ||
		(w.length > 2 && name.toLowerCase().includes(w) && !seen.has(name) && seen.add(name)))
	const link = ([number, name], before, after) =>
		make('a', { href: page + '#' + number }, before + name + after, ' ', make('small', {}, number))
	const hits = [...idents.filter(like).map(i => link(i, '', '')),
		...chunks.filter(like).map(c => link(c, '⟨', '⟩'))].slice(0, 6)
	return make('li', {}, make('a', { className: 'title', href: address }, title),
		title === chapter ? '' : make('small', {}, ' in ' + chapter), make('p', {}, text),
		hits.length ? make('div', { className: 'hits' }, ...hits) : '')
}

async function openSearch() {
	searchDialog ||= dialog('search', 'Search', `<form method="dialog">
<input type="search" aria-label="Search the book" autocomplete="off" placeholder="words, a chunk, an identifier" autofocus>
<button>Close</button></form><p id="said" role="status"></p><ol id="found"></ol>`)
	searchDialog.showModal()
	const input = $('input', searchDialog), said = $('#said'), list = $('#found')
	input.select()
	if (input.oninput) return
	const show = () => {
		const words = input.value.toLowerCase().split(/\s+/).filter(w => w)
		const found = words.length && index ? search(input.value.toLowerCase()) : []
		said.textContent = !words.length ? '' : !index ? 'The index is being read.'
			: found.length === 0 ? 'Nothing found.' : found.length === 30 ? 'The first 30 places:'
			: found.length + (found.length === 1 ? ' place:' : ' places:')
		list.replaceChildren(...found.map(f => result(f, words)))
	}
	input.oninput = show
	// Enter goes to the first place, the arrows go up and down
	searchDialog.addEventListener('keydown', e => {
		const links = all('a.title', list)
		if (e.key === 'Enter' && e.target === input) {
			e.preventDefault()
			links[0]?.click()
		} else if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
			const stops = [input, ...links]
			const at = stops.findIndex(s => s === document.activeElement || s.parentNode.contains(document.activeElement) && s !== input)
			stops[at + (e.key === 'ArrowDown' ? 1 : -1)]?.focus()
			e.preventDefault()
		}
	})
	list.addEventListener('click', e => { if (e.target.closest('a')) searchDialog.close() })
	try {
		await load('lunr.js')
		await load('index.js')
		show()
	} catch (e) {
		said.textContent = `Cannot read ${e.message}: make the site again (make html).`
	}
}

// --- Dialogs, keys, themes ----------------------------------------------------------------

function dialog(id, label, html) {
	const d = make('dialog', { id, innerHTML: html, ariaLabel: label })
	d.addEventListener('click', e => { if (e.target === d) d.close() })
	document.body.append(d)
	return d
}

let helpDialog
function openHelp() {
	const keys = [['n', '→', 'next chapter'], ['p', '←', 'chapter before'],
		['j', 'next chunk'], ['k', 'chunk before'], ['/', 'search'], ['d', 'dark or light'],
		['c', 'contents'], ['?', 'this help']]
	helpDialog ||= dialog('help', 'Help', `<form method="dialog"><h2>Keys</h2><button>Close</button></form>
<dl>${keys.map(k => `<dt>${k.slice(0, -1).map(x => `<kbd>${x}</kbd>`).join(' ')}</dt><dd>${k.at(-1)}</dd>`).join('')}</dl>
<p>The + before a ⟨chunk⟩ in code unfolds it in its place. An identifier tells what it is when it is
pointed at or has the focus. S7 is the address of a chunk: <code>index.html#S7</code> finds it.</p>`)
	helpDialog.showModal()
}

const isDark = () => (document.documentElement.dataset.theme ||
	(matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark'
const showTheme = () => { $('[data-do=theme]').textContent = isDark() ? 'Light' : 'Dark' }
function changeTheme() {
	const theme = isDark() ? 'light' : 'dark'
	document.documentElement.dataset.theme = theme
	try { localStorage.setItem('theme', theme) } catch (e) { /* then for this page only */ }
	showTheme()
}

const follow = rel => { const l = $(`link[rel=${rel}]`); if (l) location.href = l.href }

function openContents() {
	const nav = $('#contents')
	if ($('header .contents').offsetParent) nav.togglePopover()
	;($('[aria-current]', nav) || $('a', nav)).focus()
}

// the chunk after (or before) the one that has the focus, or is in sight
function stepChunk(by) {
	const numbers = all('.chunk > .head .address')
	const focused = document.activeElement?.closest('.chunk')
	let at = numbers.findIndex(n => n.closest('.chunk') === focused)
	if (at < 0) {
		const top = 80
		const next = numbers.findIndex(n => n.getBoundingClientRect().top > top)
		at = next < 0 ? numbers.length : by > 0 ? next - 1 : next
	}
	const to = numbers[at + by]
	to?.focus({ preventScroll: true })
	to?.closest('.chunk').scrollIntoView({ block: 'start' })
}

const actions = { search: openSearch, help: openHelp, theme: changeTheme }
const keys = { n: () => follow('next'), p: () => follow('prev'), ArrowRight: () => follow('next'),
	ArrowLeft: () => follow('prev'), j: () => stepChunk(1), k: () => stepChunk(-1), '/': openSearch,
	'?': openHelp, d: changeTheme, c: openContents }

document.addEventListener('keydown', e => {
	if (e.key === 'Escape') hideTip()
	if (e.ctrlKey || e.altKey || e.metaKey || $('dialog[open]') || e.target.matches('input:not(.mark), textarea')) return
	// where something scrolls sideways, the arrows are its own
	if (e.key.startsWith('Arrow') && e.target.closest('[tabindex="0"]')) return
	if (keys[e.key]) {
		e.preventDefault()
		keys[e.key]()
	}
})
document.addEventListener('click', e => {
	const button = e.target.closest('button')
	if (button?.matches('.fold')) fold(button)
	else if (button?.dataset.do) actions[button.dataset.do]()
	else if (!e.target.closest('#tip')) hideTip()
})
document.addEventListener('mouseover', e => {
	const link = e.target.closest('a.id')
	if (link === tipOf && link) return clearTimeout(tipTimer)
	if (link) {
		clearTimeout(tipTimer)
		tipTimer = setTimeout(showTip, 150, link)
	} else if (!e.target.closest('#tip')) {
		clearTimeout(tipTimer)
		if (tip && document.activeElement !== tipOf) tipTimer = setTimeout(hideTip, 300)
	} else {
		clearTimeout(tipTimer)
	}
})
document.addEventListener('focusin', e => {
	if (e.target.matches('a.id')) showTip(e.target)
	else if (tip && !e.target.closest('#tip')) hideTip()
})

// What scrolls sideways can be scrolled by keys too.
function markScrollers() {
	for (const e of all('.table, pre.listing')) {
		if (e.scrollWidth > e.clientWidth + 1) {
			e.tabIndex = 0
			e.setAttribute('role', 'region')
			e.ariaLabel = e.matches('pre') ? 'Listing' : 'Table'
		} else {
			e.removeAttribute('tabindex')
			e.removeAttribute('role')
			e.removeAttribute('aria-label')
		}
	}
}

for (const button of all('[data-do]')) button.hidden = false
showTheme()
followAddress()
window.addEventListener('hashchange', followAddress)
addFolds(document)
markScrollers()
window.addEventListener('resize', markScrollers)
function showWhere() {
	const nav = $('#contents'), current = $('[aria-current]', nav)
	if (current) nav.scrollTop = current.offsetTop - 120
}
$('#contents').addEventListener('toggle', showWhere)
showWhere()
