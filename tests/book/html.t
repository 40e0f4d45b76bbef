#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-or-later
//
// The site, in a browser that nobody looks at: links, search, unfolding, what an
// identifier is, keys, themes, a phone, paper, and what axe-core has to say.
// Everything is read from the disk, as a reader without a server does.
//
//	SITE	a site to test; else book/out/html, which is made anew
//
// What drives the browser comes from npm once, into the cache.
'use strict'
const fs = require('fs')
const path = require('path')
const { execFileSync } = require('child_process')
const { createHash } = require('crypto')
const { pathToFileURL } = require('url')

const here = __dirname
const top = path.join(here, '../..')

// --- TAP ----------------------------------------------------------------------

let count = 0, failed = 0
const diag = text => console.log(String(text).replace(/^/gm, '# '))
function ok(good, name, ...more) {
	console.log(`${good ? '' : 'not '}ok ${++count} - ${name}`)
	if (!good) {
		failed++
		console.error(`#   Failed test '${name}'`)
		for (const m of more) console.error(String(m).replace(/^/gm, '# '))
	}
}
const is = (got, want, name) => ok(got === want, name, `     got: ${got}`, `expected: ${want}`)
const none = (list, name) => ok(list.length === 0, name, list.slice(0, 20).join('\n'))
function bail(text) {
	console.log('Bail out!  ' + text)
	process.exit(255)
}

// --- What it needs ----------------------------------------------------------------

function library() {
	const lock = fs.readFileSync(here + '/package-lock.json')
	const key = createHash('sha256').update(lock).digest('hex').slice(0, 12)
	const cache = path.join(process.env.XDG_CACHE_HOME || process.env.HOME + '/.cache', 'lguest')
	const dir = `${cache}/browser-${key}`
	if (!fs.existsSync(dir)) {
		diag('fetching what drives the browser')
		const fresh = fs.mkdtempSync((fs.mkdirSync(cache, { recursive: true }), dir + '.'))
		for (const f of ['package.json', 'package-lock.json']) fs.copyFileSync(`${here}/${f}`, `${fresh}/${f}`)
		try {
			execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'],
				{ cwd: fresh, stdio: ['ignore', 'ignore', 'inherit'] })
		} catch (e) {
			bail('npm ci failed (is npm installed? build/packages check-book)')
		}
		fs.renameSync(fresh, dir)
	}
	return require('module').createRequire(dir + '/')
}

function browserPath() {
	for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
		for (const dir of process.env.PATH.split(':')) {
			if (fs.existsSync(`${dir}/${name}`)) return `${dir}/${name}`
		}
	}
	bail('no chromium: build/packages check-book')
}

// --- The pages as text --------------------------------------------------------------

let site, pages
const text = {}, ids = {}, links = []

function read() {
	for (const page of pages) {
		text[page] = fs.readFileSync(`${site}/${page}`, 'utf8')
		ids[page] = [...text[page].matchAll(/\sid="([^"]*)"/g)].map(m => m[1])
		for (const [, to] of text[page].matchAll(/\s(?:href|src)="([^"]*)"/g)) links.push([page, to])
	}
	for (const f of fs.readdirSync(site + '/code')) {
		const script = fs.readFileSync(`${site}/code/${f}`, 'utf8')
		for (const [, to] of script.matchAll(/\\u0022(\w[^\\ ]*\.html#[^\\ ]*)\\u0022/g)) links.push(['code/../' + f, to])
	}
}

function testText() {
	const plain = s => s.replace(/&amp;/g, '&').replace(/&quot;/g, '"')
	const dead = links.filter(([page, to]) => {
		if (/^(https?|mailto):/.test(to)) return false
		const [file, id] = plain(to).split('#')
		const target = file || page
		if (!fs.existsSync(`${site}/${target}`)) return true
		return id !== undefined && id !== '' && !new Set(ids[target]).has(decodeURIComponent(id))
	})
	none(dead.map(d => d.join(': ')), `no dead link among ${links.length}`)
	ok(links.length > 1000, 'there are links')
	none(pages.flatMap(p => ids[p].filter((id, i) => ids[p].indexOf(id) !== i).map(id => p + ': ' + id)),
		'no name twice on a page')
	none(pages.flatMap(p => [...text[p].matchAll(/<img (?![^>]*alt="[^"])[^>]*>/g)].map(m => p + ': ' + m[0])),
		'no figure without a text')
	none(pages.flatMap(p => [...text[p].matchAll(/<code>\{[.#][^<]{0,60}/g)].map(m => p + ': ' + m[0])),
		'no drawing is left as text')
	none(pages.flatMap(p => [...text[p].matchAll(/<(?:script|link|img|iframe)[^>]*(?:src|href)="(?:https?:)?\/\/[^>]*>/g)]
		.map(m => p + ': ' + m[0])), 'nothing comes from elsewhere')
	const chunks = pages.flatMap(p => ids[p].filter(id => /^[A-Z]\d+$/.test(id)))
	const json = fs.readFileSync(top + '/book/out/quest.json', 'utf8')
	const all = new Set([...json.matchAll(/\["num","([A-Z]\d+)"\]/g)].map(m => m[1]))
	is(new Set(chunks).size, chunks.length, 'no chunk has the address of another')
	if (!process.env.SITE) is(chunks.length, all.size, 'each chunk of the book has an address')
	for (const f of ['lunr.js', 'licences/libjs-lunr.txt', 'licences/fonts-linuxlibertine.txt', 'fonts/Inconsolata.woff2']) {
		ok(fs.existsSync(`${site}/${f}`), `${f} is there`)
	}
}

// --- The browser ----------------------------------------------------------------------

let browser
const complaints = []
const url = page => pathToFileURL(site).href + '/' + page

async function open(page, options = {}) {
	const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
	const p = await context.newPage()
	p.on('console', m => { if (m.type() !== 'log') complaints.push(`${p.url()}: ${m.text()}`) })
	p.on('pageerror', e => complaints.push(`${p.url()}: ${e.message}`))
	p.on('requestfailed', r => {		// (a page that is left stops what it waits for)
		if (r.failure().errorText !== 'net::ERR_ABORTED') complaints.push(`${p.url()}: cannot have ${r.url()}`)
	})
	p.on('request', r => { if (!/^(file|data):/.test(r.url())) complaints.push(`${p.url()}: wants ${r.url()}`) })
	p.setDefaultTimeout(15000)
	await p.goto(url(page))
	return p
}
const where = p => decodeURIComponent(p.url().replace(/.*\//, ''))
const shut = p => p.context().close()
const phone = { viewport: { width: 375, height: 740 } }
// waits until a condition in the page holds; says whether it came to be
const comes = (p, f, arg) => p.waitForFunction(f, arg, { timeout: 5000 }).then(() => true, () => false)

// --- What can be done with a page -----------------------------------------------------

async function testAddresses() {
	const p = await open('index.html#S7')
	await p.waitForURL(/switcher\.html#S7$/).catch(() => {})
	is(where(p), 'switcher.html#S7', 'index.html#S7 leads to the chunk')
	ok(await p.evaluate(() => {
		const { top } = document.getElementById('S7').getBoundingClientRect()
		return top >= 0 && top < innerHeight
	}), '... which is in sight')
	await p.goto(url('preparation.html#S2'))
	await p.waitForURL(/switcher\.html#S2$/).catch(() => {})
	is(where(p), 'switcher.html#S2', 'so does the address of a page where the chunk is not')
	const wrong = await p.evaluate(list => list.filter(([page, id]) => pageOf(id) !== page),
		pages.flatMap(page => ids[page].filter(id => /^[A-Z]\d+$/.test(id)).map(id => [page, id])))
	none(wrong, 'each address finds its page')
	await shut(p)
}

async function testSearch() {
	const p = await open('index.html')
	await p.keyboard.press('/')
	const input = p.locator('#search input')
	ok(await input.evaluate(e => e === document.activeElement), '/ opens the search, with the cursor in it')
	const found = async words => {
		await input.fill('')
		await input.fill(words)
		await comes(p, () => typeof index !== 'undefined' && index && document.querySelector('#said').textContent)
		return p.evaluate(() => [...document.querySelectorAll('#found a')].map(a => decodeURIComponent(a.href.replace(/.*\//, ''))))
	}
	const s7 = /id="S7"[^>]*aria-label="Chunk S7: ([^"]*)"/.exec(text['switcher.html'])[1]
	ok((await found('Meltdown')).some(a => a.startsWith('switcher.html')), 'finds a word of the prose')
	ok((await found('meltdow')).some(a => a.startsWith('switcher.html')), '... and the beginning of one')
	ok((await found('S7')).includes('switcher.html#S7'), 'finds a chunk by its number')
	ok((await found(s7)).includes('switcher.html#S7'), `... and by its name, ${s7}`)
	const [, name, at] = /<span class="identifier"><code>([a-z]+_[a-z_]+)<\/code><\/span> <b><a href="([^"]*)"/
		.exec(text['identifiers-index.html'])
	ok((await found(name)).includes(at), `finds an identifier, ${name}`)
	ok((await found('page tables')).some(a => a.startsWith('page-tables.html')), 'finds a chapter')
	is((await found('xyzzyplugh')).length, 0, 'finds nothing where nothing is')
	is(await p.locator('#said').textContent(), 'Nothing found.', '... and says so')
	await found('Meltdown')
	await p.keyboard.press('ArrowDown')
	ok(await p.evaluate(() => document.activeElement.matches('#found a')), 'the arrow goes to the first place')
	await p.keyboard.press('Escape')
	ok(await comes(p, () => !document.querySelector('dialog[open]')), 'Escape closes the search')
	await p.keyboard.press('/')
	await found('Meltdown')
	await p.keyboard.press('Enter')
	await p.waitForURL(/switcher\.html/).catch(() => {})
	ok(where(p).startsWith('switcher.html'), 'Enter goes to the first place')
	await shut(p)
}

// the text of a chunk, without what the site puts into it
const strip = s => s.replace(/[+−]/g, '').replace(/\s+/g, ' ').trim()

async function testFolds() {
	// a page with a use inside of what is unfolded there
	const p = await open('switcher.html')
	const button = p.locator('.chunk .fold').first()
	const n = await p.locator('.chunk .fold').count()
	ok(n > 5, `there is something to unfold: ${n}`)
	const before = await p.locator('.chunk').count()
	await button.focus()
	await p.keyboard.press('Enter')
	ok(await comes(p, () => document.querySelector('.chunk .unfolded .l')), 'Enter unfolds a chunk')
	is(await button.getAttribute('aria-expanded'), 'true', '... and says so to those who do not see')
	ok(await p.evaluate(b => document.getElementById(b)?.matches('.unfolded'), await button.getAttribute('aria-controls')),
		'... and where')
	const same = await p.evaluate(() => {
		const box = document.querySelector('.chunk .unfolded')
		const use = box.previousElementSibling.querySelector('.use')
		const want = use.dataset.defs.split(' ').map(n => [...document.querySelectorAll(`[id="${n}"] > pre .l`)]
			.map(l => l.textContent).join('')).join('')
		return [[...box.querySelectorAll(':scope > .l')].map(l => l.textContent).join(''), want]
	})
	is(strip(same[0]), strip(same[1]), 'what is unfolded is the text of the chunk')
	none(await p.evaluate(() => {
		const box = document.querySelector('.chunk .unfolded')
		const [number] = box.previousElementSibling.querySelector('.use').dataset.defs.split(' ')
		const own = document.querySelectorAll(`[id="${number}"] > pre .l`)
		return [...own].map((l, i) => [l.offsetHeight, box.querySelectorAll('.l')[i].offsetHeight])
			.filter(([a, b]) => a !== b)
	}), '... and looks like it')
	await p.keyboard.press('Space')
	ok(await comes(p, () => !document.querySelector('.unfolded')), 'the space bar folds it again')
	is(await button.getAttribute('aria-expanded'), 'false', '... and says so')
	is(await p.locator('.chunk').count(), before, 'the page is as before')
	await shut(p)

	// Which chunks use others, and where are those?
	const uses = {}		// S7: [[page of a chunk that it uses, its address], ...]
	for (const page of pages) {
		for (const [, number, rest] of text[page].matchAll(/<div class="chunk" id="(\w+)".*?<pre>(.*?)<\/pre>/gs)) {
			uses[number] = [...rest.matchAll(/class="use" href="(.*?)#(\w+)"/g)].map(m => [page, ...m.slice(1)])
		}
	}
	const flat = Object.entries(uses).flatMap(([number, list]) => list.map(u => [number, ...u]))
	const unfold = async (q, number, to) => {
		await q.locator(`#${number} .fold:has(+ .use[href$="#${to}"])`).first().click()
		await comes(q, () => document.querySelector('.unfolded .l'))
	}
	const far = flat.find(([, page, file]) => file !== page)
	ok(far, 'a chunk is used on another page than its own')
	const q = await open(`${far[1]}#${far[0]}`)
	const first = l => l.locator('.l').first().innerText()
	await unfold(q, far[0], far[3])
	const shown = await first(q.locator('.unfolded'))
	await q.goto(url(`${far[2]}#${far[3]}`))
	is(strip(shown), strip(await first(q.locator(`#${far[3]} > pre`))), `${far[3]} of ${far[2]} unfolds on ${far[1]}`)
	const nested = flat.find(([, , , number]) => uses[number].length > 0)
	ok(nested, 'a chunk that is used uses one')
	await q.goto(url(nested[1]))
	await unfold(q, nested[0], nested[3])
	await q.locator('.unfolded .fold').first().click()
	ok(await comes(q, () => document.querySelector('.unfolded .unfolded .l')), `a chunk unfolds inside of another on ${nested[1]}`)
	none(await q.evaluate(() => {
		const all = [...document.querySelectorAll('[id]')].map(e => e.id)
		return all.filter((id, i) => all.indexOf(id) !== i)
	}), '... and no name is on the page twice')
	await shut(q)
}

async function testIdentifiers() {
	const p = await open('crossing.html')
	const link = p.locator('pre a.id').first()
	const name = await link.textContent()
	await link.hover()
	ok(await comes(p, () => document.querySelector('#tip')), `${name} tells what it is when pointed at`)
	ok((await p.locator('#tip pre').textContent()).includes(name), '... by a line that has the name')
	ok(await p.locator('#tip').evaluate(e => {
		const r = e.getBoundingClientRect()
		return r.left >= 0 && r.right <= innerWidth && r.top >= 0 && r.bottom <= innerHeight
	}), '... in sight')
	await p.mouse.move(5, 500)
	ok(await comes(p, () => !document.querySelector('#tip')), 'it goes when the pointer goes')
	await link.focus()
	ok(await comes(p, () => document.querySelector('#tip')), 'the focus shows it too')
	is(await link.getAttribute('aria-describedby'), 'tip', '... as a description')
	await p.keyboard.press('Escape')
	ok(await comes(p, () => !document.querySelector('#tip')), 'Escape takes it away')
	const to = await link.getAttribute('href')
	await link.click()
	await p.waitForURL(u => u.href.endsWith(to.replace(/.*#/, '#'))).catch(() => {})
	is(where(p), to, 'a click leads to the definition')
	ok(await p.evaluate(() => document.querySelector(':target')?.textContent.trim()) .then(t => t?.includes(name)), '... of that very name')
	await shut(p)

	// both ways: who is used somewhere says where
	const uses = pages.flatMap(q => [...text[q].matchAll(/<summary>defines .*?<\/details>/g)])
	ok(uses.length > 100 && uses.filter(u => u[0].includes('used in <a')).length > 100,
		'a definition leads to its uses')
}

const background = p => p.evaluate(() => getComputedStyle(document.body).backgroundColor)
const bright = colour => colour.match(/\d+/g).slice(0, 3).every(n => n > 200)

async function testThemes() {
	const p = await open('index.html', { colorScheme: 'light' })
	ok(bright(await background(p)), 'light where the reader wants light')
	await p.click('[data-do=theme]')
	ok(!bright(await background(p)), 'the button makes it dark')
	await p.reload()
	ok(!bright(await background(p)), '... and it stays dark')
	await p.goto(url('switcher.html'))
	ok(!bright(await background(p)), '... on another page too')
	await p.keyboard.press('d')
	ok(bright(await background(p)), 'd makes it light again')
	await shut(p)
	const q = await open('index.html', { colorScheme: 'dark' })
	ok(!bright(await background(q)), 'dark where the reader wants dark')
	await shut(q)
}

async function testKeys() {
	const order = [...text['index.html'].matchAll(/<a href="([^"#]*\.html)"/g)].map(m => m[1])
	const p = await open('index.html')
	const chapters = [...new Set(order)].filter(f => f !== 'index.html')
	const press = async (key, want) => {
		await p.keyboard.press(key)
		await p.waitForURL(url(want)).catch(() => {})
		is(where(p), want, `${key} leads to ${want}`)
	}
	await press('n', chapters[0])
	await press('ArrowRight', chapters[1])
	await press('p', chapters[0])
	await press('ArrowLeft', 'index.html')
	await p.goto(url('switcher.html'))
	await p.keyboard.press('j')
	is(await p.evaluate(() => document.activeElement.textContent), 'S1', 'j goes to the first chunk')
	await p.keyboard.press('j')
	is(await p.evaluate(() => document.activeElement.textContent), 'S2', '... and to the second')
	await p.keyboard.press('k')
	is(await p.evaluate(() => document.activeElement.textContent), 'S1', 'k goes back')
	await p.keyboard.press('?')
	ok(await comes(p, () => document.querySelector('#help[open]')), '? shows the keys')
	await p.keyboard.press('n')
	is(where(p), 'switcher.html', '... and keys rest while it is open')
	await p.keyboard.press('Escape')
	ok(await comes(p, () => !document.querySelector('dialog[open]')), '... until Escape')
	await p.goto(url('switcher.html'))
	await p.keyboard.press('Tab')
	is(await p.evaluate(() => document.activeElement.className), 'skip', 'the first stop of Tab is the way past the frame')
	ok(await p.evaluate(() => document.activeElement.getBoundingClientRect().left >= 0), '... and can be seen')
	await p.keyboard.press('Enter')
	is(await p.evaluate(() => document.activeElement.id), 'text', '... and leads to the text')
	await p.keyboard.press('Tab')
	ok(await p.evaluate(() => document.activeElement.closest('main') &&
		getComputedStyle(document.activeElement).outlineStyle !== 'none'), 'the focus can be seen')
	await shut(p)
}

async function testPhone() {
	const wide = []
	const p = await open('index.html', phone)
	for (const page of pages) {
		await p.goto(url(page))
		const out = await p.evaluate(() => {
			const room = document.documentElement.clientWidth
			if (document.documentElement.scrollWidth > room) return 'the page'
			for (const e of document.querySelectorAll('main *')) {
				if (e.closest('.table, pre.listing') && !e.matches('.table, pre.listing')) continue
				const r = e.getBoundingClientRect()
				if (r.width && r.right > room + 1 && getComputedStyle(e).position !== 'absolute') {
					return e.outerHTML.slice(0, 100)
				}
			}
		})
		if (out) wide.push(page + ': ' + out)
	}
	none(wide, `no page of ${pages.length} is wider than a phone`)
	const noted = pages.find(page => text[page].includes('class="mark"'))
	await p.goto(url(noted))
	const note = p.locator('.note').first()
	ok(!await note.isVisible(), 'a note is folded')
	await p.locator('label.mark').first().click()
	ok(await note.isVisible(), '... and its mark unfolds it')
	ok(!await p.locator('#contents').isVisible(), 'the contents are away')
	await p.locator('header .contents').click()
	ok(await p.locator('#contents').isVisible(), '... and come when asked')
	await shut(p)

	const q = await open(noted, { ...phone, javaScriptEnabled: false })
	ok((await q.locator('main').innerText()).length > 2000, 'without scripts the text can be read')
	ok(!await q.locator('[data-do]').first().isVisible(), '... no button is there that does nothing')
	await q.locator('label.mark').first().click()
	ok(await q.locator('.note').first().isVisible(), '... notes unfold')
	await q.locator('header .contents').click()
	ok(await q.locator('#contents').isVisible(), '... and the contents come')
	await shut(q)
}

async function testPaper() {
	const p = await open('switcher.html', { colorScheme: 'dark' })
	await p.emulateMedia({ media: 'print' })
	for (const s of ['body > header', '#contents', '.turn', '.fold']) {
		ok(!await p.locator(s).first().isVisible(), `${s} is not printed`)
	}
	ok(await p.locator('.chunk pre').first().isVisible(), 'code is')
	ok(await p.evaluate(() => {
		const [r, g, b, a] = getComputedStyle(document.body).color.match(/[\d.]+/g)
		return r < 60 && g < 60 && b < 60
	}), '... in black, even for a reader who reads in the dark')
	await shut(p)
}

async function testEveryPage() {
	const p = await open('index.html')
	for (const page of pages) {
		await p.goto(url(page))
		await p.waitForLoadState('load')
	}
	await shut(p)
}

async function testAccess(axe) {
	const kinds = ['index', 'preparation', 'switcher', 'virtqueue', 'chunks-index', 'identifiers-index',
		'interface', 'trials', 'glossary', 'sources'].map(k => k + '.html').filter(f => pages.includes(f))
	const look = async (p, name) => {
		await p.evaluate(axe)
		const { violations } = await p.evaluate(() => axe.run(document, { resultTypes: ['violations'], preload: false }))
		none(violations.filter(v => ['serious', 'critical'].includes(v.impact))
			.flatMap(v => [`${v.impact}: ${v.id}: ${v.help}`, ...v.nodes.slice(0, 3).map(n => '   ' + n.html.slice(0, 160) + '\n   ' +
				(n.any[0]?.message || ''))]), `axe-core finds nothing serious: ${name}`)
	}
	for (const page of kinds) {
		for (const colorScheme of ['light', 'dark']) {
			for (const [size, options] of [['wide', {}], ['phone', phone]]) {
				// of appendices and indices, two of the four
				if (kinds.indexOf(page) > 3 && (colorScheme === 'dark') !== (size === 'phone')) continue
				const p = await open(page, { colorScheme, ...options })
				await look(p, `${page}, ${colorScheme}, ${size}`)
				await shut(p)
			}
		}
	}
	for (const colorScheme of ['light', 'dark']) {
		const p = await open('crossing.html', { colorScheme })
		await p.locator('.fold').first().click()
		await comes(p, () => document.querySelector('.unfolded .l'))
		await p.locator('pre a.id').first().focus()
		await comes(p, () => document.querySelector('#tip'))
		await look(p, `something unfolded and told, ${colorScheme}`)
		await p.keyboard.press('/')
		await p.locator('#search input').fill('page')
		await comes(p, () => document.querySelector('#found a'))
		await look(p, `the search, ${colorScheme}`)
		await p.keyboard.press('Escape')
		await p.keyboard.press('?')
		await look(p, `the help, ${colorScheme}`)
		await shut(p)
	}
}

// --- All of it -------------------------------------------------------------------------

async function main() {
	site = process.env.SITE && path.resolve(process.env.SITE)
	if (!site) {
		diag('making the site')
		try {
			execFileSync('book/make', ['html'], { cwd: top, stdio: ['ignore', 'ignore', 'inherit'] })
		} catch (e) {
			bail('book/make html failed')
		}
		site = path.join(top, 'book/out/html')
	}
	pages = fs.readdirSync(site).filter(f => f.endsWith('.html')).sort()
	read()
	testText()
	const lib = library()
	const executablePath = browserPath()
	browser = await lib('playwright-core').chromium.launch({ executablePath,
		args: process.getuid() === 0 ? ['--no-sandbox'] : [] })
	try {
		for (const [name, test] of Object.entries({ addresses: testAddresses, search: testSearch, unfolding: testFolds,
			identifiers: testIdentifiers, themes: testThemes, keys: testKeys, phone: testPhone, paper: testPaper,
			pages: testEveryPage, access: testAccess })) {
			diag(`${name}, ${Math.round(performance.now() / 1000)} s`)
			try {
				await test(lib('axe-core').source)
			} catch (e) {
				ok(false, `${name}: goes through`, e.stack)
			}
		}
	} finally {
		await browser.close()
	}
	none(complaints, 'no page complains, and none wants anything from elsewhere')
	console.log('1..' + count)
	process.exit(failed > 254 ? 254 : failed)
}
main().catch(e => bail(e.stack.split('\n').join(' ')))
