-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- A pandoc filter: the document of noweb.lua as a site, one page per chapter.
-- It writes the pages by itself, and leaves an empty document to pandoc.
--
-- A chunk is known by its number: switcher.html#S7.  What a page does not need
-- to be read lies in scripts beside it, so that a site on a disk (file://),
-- where a page may not fetch anything, can do all that one on a server can:
--
--	pages.js	[file, title, letter, first, last chunk], every page
--	code/PAGE.js	the chunks of one page, to be unfolded on another
--	sections.json	what book/search.js makes the search index from
--
-- Environment: BOOK is this directory, FIGS where figures are kept, SITE where
-- the site goes: a directory that has fig and code.

local book = os.getenv('BOOK') or 'book'
local site = os.getenv('SITE') or 'book/out/html'
package.path = book .. '/?.lua;' .. package.path
local code = require 'code'
local figures = require 'figures'

local function block(s) return pandoc.RawBlock('html', s) end
local function raw(s) return pandoc.RawInline('html', s) end
local words = code.words
local text_of = pandoc.utils.stringify

local ESCAPE = { ['&'] = '&amp;', ['<'] = '&lt;', ['>'] = '&gt;', ['"'] = '&quot;' }
local function escape(s) return (s:gsub('[&<>"]', ESCAPE)) end
-- a string or a list of strings, for JavaScript
local function js(v)
  if type(v) == 'table' then
    local t = {}
    for i, x in ipairs(v) do t[i] = js(x) end
    return '[' .. table.concat(t, ',') .. ']'
  elseif type(v) == 'number' then
    return tostring(v)
  end
  return '"' .. v:gsub('[%c"\\]', function(c)
    return ('\\u%04x'):format(c:byte())
  end) .. '"'
end
local function spit(file, text)
  local h = assert(io.open(site .. '/' .. file, 'w'))
  h:write(text)
  h:close()
end
-- a long name may be broken where its words meet
local function inline_code(s)
  local t = escape(s)
  if #s > 12 then t = t:gsub('/+', '%0<wbr>') end
  if #s > 20 then t = t:gsub('_+', '%0<wbr>') end
  return '<code>' .. t .. '</code>'
end
-- the name of a chunk may quote code
local function chunk_name(n)
  if n:match('/') and not n:match('%s') then return inline_code(n) end
  return (escape(n):gsub('%[%[(.-)%]%]', '<code>%1</code>'))
end

-- --- What there is --------------------------------------------------------------

local pages, parts = {}, {}   -- page: file, title, part, blocks, inwhich, sections
local chunks, names = {}, {}  -- label -> chunk; name -> numbers in order
local identifiers = {}        -- name -> { defs, uses }
local sections = {}           -- for the search

local function each(blocks, filter) pandoc.walk_block(pandoc.Div(blocks), filter) end

local function find_pages(doc)
  local page = { file = 'index.html', title = 'Contents', blocks = pandoc.List {} }
  pages[1] = page
  for _, b in ipairs(doc.blocks) do
    if b.t == 'Div' and b.classes:includes('part') then
      local a = b.attributes
      parts[#parts + 1] = { id = b.identifier, number = a.number, title = a.title,
        inwhich = a.inwhich, pages = {} }
    elseif b.t == 'Div' and b.classes:includes('backmatter') then
      parts[#parts + 1] = { id = 'appendices', title = 'Appendices', inwhich = '', pages = {} }
    else
      if b.t == 'Header' and b.level == 1 then
        page = { file = b.identifier .. '.html', title = text_of(b), id = b.identifier,
          part = parts[#parts], blocks = pandoc.List {}, sections = {} }
        pages[#pages + 1] = page
        if page.part then table.insert(page.part.pages, page) end
      elseif b.t == 'BlockQuote' and not page.inwhich
          and text_of(b.content[1]):match('^In which') then
        page.inwhich = text_of(b)
      end
      page.blocks:insert(b)
    end
  end
end

local function find_chunks()
  for _, page in ipairs(pages) do
    each(page.blocks, {
      Div = function(d)
        local a = d.attributes
        if d.classes:includes('chunk') then
          local c = { num = a.num, name = a.name, page = page, address = page.file .. '#' .. a.num }
          chunks[d.identifier] = c
          names[c.name] = names[c.name] or {}
          table.insert(names[c.name], c.num)
          page.first, page.last = page.first or c.num, c.num
        elseif d.classes:includes('idents') then
          for _, e in ipairs(d.content) do
            identifiers[e.attributes.name] = { defs = words(e.attributes.defs),
              uses = words(e.attributes.uses) }
          end
        end
      end,
    })
  end
end

-- --- Chunks and other code ---------------------------------------------------------

local function ref(label, class)
  local c = chunks[label]
  return ('<a href="%s"%s title="%s">%s</a>'):format(c.address, class or '', escape(c.name), c.num)
end
local function refs(labels)
  local t = {}
  for _, l in ipairs(labels) do
    if chunks[l] then t[#t + 1] = ref(l) end
  end
  if #t < 2 then return t[1] or '' end
  return table.concat(t, ', ', 1, #t - 1) .. ' and ' .. t[#t]
end

local function use(label, name)
  local c = chunks[label]
  if not c then return '⟨' .. chunk_name(name) .. '⟩' end
  return ('<a class="use" href="%s" data-defs="%s">⟨%s <small>%s</small>⟩</a>'):format(
    c.address, table.concat(names[c.name], ' '), chunk_name(name), c.num)
end

-- Which line of a chunk defines a name?  Rather a #define, a function or a
-- struct than whatever line has the name first.
local function defining_line(lines, name)
  local word = '%f[%w_]' .. name:gsub('%p', '%%%0') .. '%f[^%w_]'
  local best, at = 0, nil
  for i, line in ipairs(lines) do
    local t = {}
    for _, token in ipairs(line) do
      t[#t + 1] = (token.kind == 'com' or token.kind == 'str') and ' ' or token.text
    end
    local text = table.concat(t)
    if text:match(word) then
      local rank = 1
      if text:match('^#%s*define%s+' .. word) or text:match('^' .. word .. '%s*:') then rank = 4
      elseif text:match('^[%a}].*' .. word .. '%s*%(') and not text:match(';%s*$') then rank = 4
      elseif text:match('%f[%a]%l+%s+' .. word .. '%s*{') then rank = 4
      elseif text:match('^}%s*' .. word) or text:match('^typedef.*' .. word) then rank = 3
      elseif text:match(word .. '%s*%b[]%s*=') or text:match(word .. '%s*[=,]') then rank = 2
      end
      if rank > best then best, at = rank, i end
    end
  end
  return at, word
end

-- here: the chunk that these lines are, if they are one
local function code_lines(text, lang, here, idents)
  local lines, defined, out = code.lines(text, lang), {}, {}
  for _, name in ipairs(idents or {}) do
    local at, word = defining_line(lines, name)
    if at then
      defined[at] = defined[at] or {}
      table.insert(defined[at], { name = name, word = word })
    end
  end
  for i, line in ipairs(lines) do
    local l, open = {}, defined[i] or {}
    for _, t in ipairs(line) do
      local s = escape(t.text)
      if t.kind == 'use' then
        s = use(t.ref, t.text)
      else
        for j, d in ipairs(t.kind ~= 'com' and t.kind ~= 'str' and open or {}) do
          local a, b = s:find(d.word)
          if a then
            s = ('%s<dfn id="%s.%s">%s</dfn>%s'):format(s:sub(1, a - 1), here.num, d.name,
              s:sub(a, b), s:sub(b + 1))
            table.remove(open, j)
            break
          end
        end
        -- (a plain word in a comment is a word)
        local c = chunks[t.ref]
        if c and c ~= here and (t.kind ~= 'com' or t.text:match('[_%u%d]')) then
          s = ('<a class="id%s" href="%s">%s</a>'):format(t.kind == 'com' and ' com' or '',
            c.address, s)
        elseif t.kind ~= 'txt' and t.kind ~= 'id' then
          s = ('<span class="%s">%s</span>'):format(t.kind, s)
        end
      end
      l[#l + 1] = s
    end
    -- (how far it is indented: what is broken on a phone stays as far in)
    local indent = math.min(#(lines[i][1] and lines[i][1].text or ''):match('^ *') // 8, 3)
    out[i] = ('<span class="l%s">%s\n</span>'):format(indent > 0 and ' i' .. indent or '', table.concat(l))
  end
  return table.concat(out)
end

local function chunk(d)
  local a, foot, c = d.attributes, {}, chunks[d.identifier]
  local function say(what, labels)
    local r = refs(labels)
    if r ~= '' then foot[#foot + 1] = '<span>' .. what .. ' ' .. r .. '</span>' end
  end
  if a.prev ~= '' then say('begun in', { a.first }) end
  say('used in', words(a.uses))
  if a.next ~= '' then say('goes on in', { a.next }) end
  local idents = words(a.idents)
  if #idents > 0 then
    local t, o = {}, {}
    for i, name in ipairs(idents) do
      t[i] = '<code>' .. escape(name) .. '</code>'
      local uses = identifiers[name] and refs(identifiers[name].uses) or ''
      o[i] = ('<li>%s: %s</li>'):format(t[i], uses ~= '' and 'used in ' .. uses or 'not used elsewhere')
    end
    foot[#foot + 1] = ('<details><summary>defines %s</summary><ul>%s</ul></details>'):format(
      table.concat(t, ', '), table.concat(o))
  end
  c.html = code_lines(d.content[1].text, a.lang, c, idents)
  return block(([[
<div class="chunk" id="%s" role="group" aria-label="Chunk %s: %s">
<div class="head"><a class="address" href="%s" title="%s:%s">%s</a> <span class="name">⟨%s⟩</span> <span class="is" title="%s">%s≡</span></div>
<pre><code>%s</code></pre>
%s</div>]]):format(c.num, c.num, escape(c.name), c.address, escape(a.file), a.line, c.num,
    chunk_name(c.name), a.prev ~= '' and 'goes on' or 'begins', a.prev ~= '' and '+' or '', c.html,
    #foot > 0 and '<div class="foot">' .. table.concat(foot, ' ') .. '</div>\n' or ''))
end

local function listing(b)
  local lang, class = 'plain', b.classes[1] or ''
  for _, l in ipairs { 'c', 'asm', 'make', 'sh', 'diff' } do
    if b.classes:includes(l) then lang = l end
  end
  local text
  if lang == 'plain' then
    -- on a console, what you type stands out
    local out, typed = {}, false
    for line in (b.text .. '\n'):gmatch('([^\n]*)\n') do
      local prompt, rest = '', line
      if class == 'console' and not typed then
        prompt, rest = line:match('^([%w@:~/.-]*[$#] )(.*)$')
        if not prompt then prompt, rest = line:match('^(%(gdb%) )(.*)$') end
        typed = prompt ~= nil
        prompt, rest = prompt or '', rest or line
      end
      local s = escape(rest)
      if typed then s = '<kbd>' .. s .. '</kbd>' end
      out[#out + 1] = '<span class="l">' .. escape(prompt) .. s .. '\n</span>'
      typed = typed and line:match('\\$') ~= nil
    end
    text = table.concat(out)
  else
    text = code_lines(b.text, lang)
  end
  return block(('<pre class="listing %s"><code>%s</code></pre>'):format(escape(class), text))
end

-- --- Indices ------------------------------------------------------------------------

local function index(d)
  local o, letter, letters = {}, nil, {}
  local identifier = d.classes:includes('idents')
  for _, e in ipairs(d.content) do
    local a, t = e.attributes, {}
    local l = a.name:gsub('^%[%[', ''):sub(1, 1):upper()
    if not l:match('%a') then l = '#' end
    if l ~= letter then
      letter = l
      local id = d.identifier .. '-' .. (l == '#' and 'other' or l:lower())
      letters[#letters + 1] = ('<a href="#%s">%s</a>'):format(id, l)
      o[#o + 1] = ('%s<h2 id="%s">%s</h2><ul>'):format(#o > 0 and '</ul>' or '', id, l)
    end
    for _, w in ipairs(words(a.defs)) do
      if chunks[w] then t[#t + 1] = '<b>' .. ref(w) .. '</b>' end
    end
    for _, w in ipairs(words(a.uses)) do
      if chunks[w] then t[#t + 1] = ref(w) end
    end
    o[#o + 1] = ('<li><span class="%s">%s</span> %s</li>'):format(
      identifier and 'identifier' or 'name',
      identifier and inline_code(a.name) or '⟨' .. chunk_name(a.name) .. '⟩',
      table.concat(t, ', '))
  end
  if #o == 0 then return {} end
  return block(('<p class="letters">%s</p><div class="index" id="%s">%s</ul></div>'):format(
    table.concat(letters, ' '), d.identifier, table.concat(o, '\n')))
end

-- --- Pages ------------------------------------------------------------------------------

local BOXES = { goal = true, aside = true, trial = true, hint = true }

local function figure(b)
  local path = figures.build(b, 'svg')
  local name = path:match('[^/]*$')
  local h = assert(io.open(path))
  local svg = h:read('a')
  h:close()
  spit('fig/' .. name, svg)
  -- larger than on paper, as the text is (what dot draws has large letters)
  local scale = figures.kind(b) == 'dot' and 1.45 or 1.85
  local function size(of)
    return math.ceil(tonumber(svg:match('<svg[^>]-%s' .. of .. '="([%d.]+)')) * scale)
  end
  local caption = pandoc.read(b.attributes.caption or '', 'markdown').blocks[1]
  local out = pandoc.List { raw(('<figure%s><a href="fig/%s"><img src="fig/%s" width="%d" height="%d" loading="lazy" alt="%s"></a>')
    :format(b.identifier ~= '' and ' id="' .. escape(b.identifier) .. '"' or '', name, name,
      size('width'), size('height'), escape(b.attributes.alt or ''))) }
  if caption then
    out:insert(raw('<figcaption>'))
    out:extend(caption.content)
    out:insert(raw('</figcaption>'))
  end
  out:insert(raw('</figure>'))
  return pandoc.Plain(out)
end

local function looks(page)
  local notes = 0
  return {
    Note = function(n)
      notes = notes + 1
      local id = 'note-' .. notes
      local r = pandoc.List { raw(('<label class="mark" for="%s">%d</label><input type="checkbox" class="mark" id="%s" aria-label="Show note %d"><span class="note" role="note"><b>%d</b> ')
        :format(id, notes, id, notes, notes)) }
      r:extend(pandoc.utils.blocks_to_inlines(n.content, { pandoc.LineBreak() }))
      r:insert(raw('</span>'))
      return r
    end,
    Code = function(c)
      local to = c.attributes.ref and chunks[c.attributes.ref]
      if c.classes:includes('chunkname') then return raw(use(c.attributes.ref, c.text)) end
      local t = inline_code(c.text)
      return raw(to and ('<a class="id" href="%s">%s</a>'):format(to.address, t) or t)
    end,
    -- a chapter of its own is not a link to nowhere: [text](other.nw) stays text
    Link = function(l)
      local to = chunks[l.target:sub(2)]
      if to then
        l.target = to.address
        return l
      end
      if not l.target:match('^%a+:') and not l.target:match('^#') then return l.content end
    end,
    Header = function(h)
      if h.level > 1 then
        h.content:insert(pandoc.Space())
        h.content:insert(raw(('<a class="here" href="#%s" tabindex="-1" aria-hidden="true">§</a>')
          :format(h.identifier)))
      end
      return h
    end,
    CodeBlock = function(b) return figures.kind(b) and figure(b) or listing(b) end,
    Table = function(t)
      for i, c in ipairs(t.colspecs) do t.colspecs[i] = { c[1], nil } end
      return { block('<div class="table">'), t, block('</div>') }
    end,
    BlockQuote = function(q)
      local first = q.content[1]
      if first and text_of(first):match('^In which') then
        return pandoc.Div(q.content, pandoc.Attr('', { 'inwhich' }))
      end
    end,
    Div = function(d)
      if d.classes:includes('nwindex') then return index(d) end
      local a = d.attributes
      if d.classes:includes('hint') then
        return { block('<details class="hint"><summary>A hint</summary>'),
          pandoc.Div(d.content), block('</details>') }
      elseif d.classes:includes('trial') then
        local head = {}
        if a.title then
          local title = text_of(pandoc.read(a.title, 'markdown').blocks)
          head[1] = '<b>Trial: ' .. escape(title) .. '</b>'
        end
        if a.minutes then head[#head + 1] = a.minutes .. ' minutes' end
        if a.level then head[#head + 1] = 'level ' .. a.level end
        if #head > 0 then
          d.content:insert(1, block('<p class="title">' .. table.concat(head, ' · ') .. '</p>'))
        end
        return pandoc.Div(d.content, pandoc.Attr(d.identifier, { 'trial' }))
      end
    end,
  }
end

-- What the search knows of a page, section by section.
local function note_sections(page)
  local s
  local function start(h)
    s = { page = page.file, chapter = page.title, title = text_of(h),
      anchor = h.level > 1 and h.identifier or '', text = {}, chunks = {}, idents = {} }
    sections[#sections + 1] = s
    if h.level == 2 then table.insert(page.sections, { h.identifier, s.title }) end
  end
  for _, b in ipairs(page.blocks) do
    if b.t == 'Header' and b.level <= 3 then
      start(b)
    elseif s and not (b.t == 'Div' and b.classes:includes('nwindex')) then
      s.text[#s.text + 1] = text_of(b)
      each({ b }, {
        Div = function(d)
          if not d.classes:includes('chunk') then return end
          local a = d.attributes
          s.chunks[#s.chunks + 1] = { a.num, a.name }
          for _, name in ipairs(words(a.idents)) do s.idents[#s.idents + 1] = { a.num, name } end
        end,
      })
    end
  end
end

local function turn(rel, page, label)
  return page and ('<a rel="%s" href="%s"><small>%s</small> %s</a>'):format(rel, page.file, label,
    escape(page.title)) or '<span></span>'
end

-- the way through the book, on every page; the present chapter shows its sections
local function contents(page)
  local o = { ('<ul><li><a href="index.html"%s>Contents</a></li></ul>'):format(
    page.file == 'index.html' and ' aria-current="page"' or '') }
  for _, part in ipairs(parts) do
    o[#o + 1] = ('<h2>%s</h2><ul>'):format((part.number and '<small>' .. part.number .. '</small> ' or '')
      .. escape(part.title))
    for _, p in ipairs(part.pages) do
      o[#o + 1] = ('<li><a href="%s"%s>%s</a>'):format(p.file,
        p == page and ' aria-current="page"' or '', escape(p.title))
      if p == page and #p.sections > 0 then
        o[#o + 1] = '<ul>'
        for _, s in ipairs(p.sections) do
          o[#o + 1] = ('<li><a href="#%s">%s</a></li>'):format(s[1], escape(s[2]))
        end
        o[#o + 1] = '</ul>'
      end
      o[#o + 1] = '</li>'
    end
    o[#o + 1] = '</ul>'
  end
  return table.concat(o, '\n')
end

local function front(title, subtitle)
  local o = { ('<h1>%s</h1>\n<p class="subtitle">%s</p>'):format(escape(title), escape(subtitle)) }
  for _, part in ipairs(parts) do
    local inwhich = part.inwhich ~= '' and part.inwhich
    o[#o + 1] = ('<section class="part"><h2 id="%s">%s%s</h2>'):format(part.id,
      part.number and '<small>Part ' .. part.number .. '</small> ' or '', escape(part.title))
    if inwhich then o[#o + 1] = '<p class="inwhich">' .. escape(inwhich) .. '</p>' end
    o[#o + 1] = '<ul>'
    for _, p in ipairs(part.pages) do
      o[#o + 1] = ('<li><a href="%s">%s</a>%s</li>'):format(p.file, escape(p.title),
        p.inwhich and p.inwhich ~= inwhich and ' <span>' .. escape(p.inwhich) .. '</span>' or '')
    end
    o[#o + 1] = '</ul></section>'
  end
  return table.concat(o, '\n')
end

local PAGE = [[
<!DOCTYPE html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<meta name="description" content="$description">
<link rel="stylesheet" href="site.css">
$links<script>try { document.documentElement.dataset.theme = localStorage.getItem('theme') || '' } catch (e) {}</script>
<script src="pages.js" defer></script>
<script src="site.js" defer></script>
</head>
<body class="$kind">
<a class="skip" href="#text">Skip to the text</a>
<header>
<button type="button" class="contents" popovertarget="contents">Contents</button>
<a class="home" href="index.html">$book</a>
<span class="where">$where</span>
<button type="button" data-do="search" hidden>Search</button>
<button type="button" data-do="theme" hidden>Dark</button>
<button type="button" data-do="help" hidden aria-label="Help">?</button>
</header>
<nav id="contents" popover aria-label="Contents">
$contents
</nav>
<main id="text" tabindex="-1">
$body
</main>
<nav class="turn" aria-label="Next and previous chapter">$turn</nav>
<footer>$colophon</footer>
</body>
</html>
]]

function Pandoc(doc)
  local title, subtitle = text_of(doc.meta.title or 'lguest'), text_of(doc.meta.subtitle or '')
  local colophon = text_of(doc.meta.colophon or '')
  find_pages(doc)
  find_chunks()

  local home = {}               -- of what has a name: its page
  for _, page in ipairs(pages) do
    local of = {}
    if page.sections then note_sections(page) end
    local body = pandoc.walk_block(pandoc.Div(page.blocks), {
      Div = function(d)
        if d.classes:includes('chunk') then
          of[#of + 1] = chunks[d.identifier]
          return chunk(d)
        end
      end,
    })
    body = pandoc.walk_block(body, looks(page))
    page.html = pandoc.write(pandoc.Pandoc(body.content), 'html5')
    if page.file == 'index.html' then page.html = front(title, subtitle) .. page.html end
    for id in page.html:gmatch('%sid="([^"]+)"') do
      if not id:match('^note%-') then home[id] = page.file end
    end
    local t = {}
    for i, c in ipairs(of) do t[i] = ('%s:%s'):format(js(c.num), js { c.address, chunk_name(c.name), c.html }) end
    if #t > 0 then
      spit('code/' .. page.file:gsub('html$', 'js'), 'book.add({\n' .. table.concat(t, ',\n') .. '\n})\n')
    end
  end

  local list = {}
  for i, page in ipairs(pages) do
    local before, after, part = pages[i - 1], pages[i + 1], page.part
    local text = PAGE:gsub('%$(%w+)', {
      title = page.part and escape(page.title .. ' · ' .. title) or escape(title),
      description = escape(page.inwhich or subtitle),
      links = (before and '<link rel="prev" href="' .. before.file .. '">\n' or '')
        .. (after and '<link rel="next" href="' .. after.file .. '">\n' or ''),
      kind = page.part and 'chapter' or 'front',
      book = escape(title),
      where = part and (part.number and 'Part ' .. part.number .. ' · ' or '') .. escape(part.title) or '',
      contents = contents(page),
      body = page.html,
      turn = turn('prev', before, 'Before') .. turn('next', after, 'Next'),
      colophon = escape(colophon),
    })
    -- an identifier leads to the line that defines it, if we found that line
    text = text:gsub('<a class="id([^"]*)" href="([^"#]*)#(%w+)">(.-)</a>', function(class, file, num, name)
      local id = num .. '.' .. name:gsub('<.->', '')
      return ('<a class="id%s" href="%s#%s">%s</a>'):format(class, file, home[id] and id or num, name)
    end)
    text = text:gsub('href="#([^"]+)"', function(id)
      local to = home[id]
      if not to and id ~= 'text' then
        io.stderr:write(('book: %s: link to #%s leads nowhere\n'):format(page.file, id))
      end
      return ('href="%s#%s"'):format(to and to ~= page.file and to or '', id)
    end)
    spit(page.file, text)
    local letter, first = (page.first or ''):match('^(%a)(%d+)$')
    list[i] = js { page.file, page.title, letter or '', tonumber(first) or 0,
      tonumber((page.last or ''):match('%d+$')) or 0 }
  end
  spit('pages.js', 'window.pages = [\n' .. table.concat(list, ',\n') .. '\n]\n')

  for i, s in ipairs(sections) do
    sections[i] = js { s.page .. (s.anchor ~= '' and '#' .. s.anchor or ''), s.chapter, s.title,
      table.concat(s.text, ' '), s.chunks, s.idents }
  end
  spit('sections.json', '[\n' .. table.concat(sections, ',\n') .. '\n]\n')
  return pandoc.Pandoc {}
end
