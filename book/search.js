// SPDX-License-Identifier: GPL-2.0-or-later
//
// node book/search.js sections.json >index.js: the index that the site's search
// loads, as a script, since a page on a disk may not fetch one.
'use strict'
const fs = require('fs')
const lunr = require('lunr')

// Names have no plural, and a reader may remember a part of one.
const pieces = name => name + ' ' + name.replace(/[_\W]+/g, ' ')

const sections = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'))
const index = lunr(function () {
	this.ref('n')
	this.field('title', { boost: 8 })
	this.field('idents', { boost: 5 })
	this.field('chunks', { boost: 3 })
	this.field('text')
	sections.forEach(([, chapter, title, text, chunks, idents], n) => this.add({
		n, text,
		title: title + ' ' + chapter,
		chunks: chunks.map(([num, name]) => num + ' ' + pieces(name)).join(' '),
		idents: idents.map(([, name]) => pieces(name)).join(' '),
	}))
})
const brief = text => text.length < 160 ? text : text.slice(0, 150).replace(/\s\S*$/, ' …')
const shown = sections.map(([page, chapter, title, text, chunks, idents]) =>
	[page, chapter, title, brief(text), chunks, idents])
process.stdout.write(`book.found(${JSON.stringify(shown)},\n${JSON.stringify(index)})\n`)
