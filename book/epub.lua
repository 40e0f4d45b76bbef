-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- A pandoc filter: the document of noweb.lua as an EPUB.  Only looks are made
-- here and in epub.css; the structure is in the document.
--
-- A part is a heading of the first level, and its chapters are of the second,
-- so that a reader's table of contents shows both.  pandoc splits the book at
-- these headings, and mends all links that go to another file, but only links
-- that it knows to be links: nothing here writes one as HTML.
--
-- Environment: BOOK is this directory.

package.path = (os.getenv('BOOK') or 'book') .. '/?.lua;' .. package.path
local code = require 'code'
local figures = require 'figures'

local function html(s) return pandoc.RawInline('html', s) end
local function block(s) return pandoc.RawBlock('html', s) end
local function escape(s)
  return (s:gsub('[&<>"]', { ['&'] = '&amp;', ['<'] = '&lt;', ['>'] = '&gt;', ['"'] = '&quot;' }))
end
local function span(inlines, class) return pandoc.Span(inlines, pandoc.Attr('', { class })) end
local function div(blocks, class) return pandoc.Div(blocks, pandoc.Attr('', { class })) end
local function link(inlines, ref, class)
  return pandoc.Link(inlines, '#' .. ref, '', pandoc.Attr('', class and { class } or {}))
end

local number = {}             -- label of a chunk -> S7
local known = {}              -- what a link may lead to

-- --- Chunks and other code ------------------------------------------------------

-- the name of a chunk may quote code
local function chunk_name(n)
  if n:match('/') and not n:match('%s') then return { pandoc.Code(n) } end
  local out, from = {}, 1
  for before, quoted, after in n:gmatch('()%[%[(.-)%]%]()') do
    out[#out + 1] = pandoc.Str(n:sub(from, before - 1))
    out[#out + 1] = pandoc.Code(quoted)
    from = after
  end
  out[#out + 1] = pandoc.Str(n:sub(from))
  return out
end

local function use(name, ref)
  local inside = pandoc.List { pandoc.Str '⟨' }
  inside:extend(chunk_name(name))
  if number[ref] then
    inside:insert(pandoc.Str ' ')
    inside:insert(span({ pandoc.Str(number[ref]) }, 'at'))
  end
  inside:insert(pandoc.Str '⟩')
  return number[ref] and link(inside, ref, 'use') or span(inside, 'use')
end

local function listing(text, lang, class)
  local out, buffer = {}, {}
  local function put(s) buffer[#buffer + 1] = s end
  local function flush()
    out[#out + 1] = html(table.concat(buffer))
    buffer = {}
  end
  put(('<pre class="%s"><code>'):format(class))
  for i, line in ipairs(code.lines(text, lang)) do
    if i > 1 then put '\n' end
    for _, t in ipairs(line) do
      if t.kind == 'use' then
        flush()
        out[#out + 1] = use(t.text, t.ref)
      elseif t.ref and number[t.ref] then
        flush()
        out[#out + 1] = link({ pandoc.Str(t.text) }, t.ref, 'id')
      elseif t.kind == 'txt' or t.kind == 'id' then
        put(escape(t.text))
      else
        put(('<span class="%s">%s</span>'):format(t.kind, escape(t.text)))
      end
    end
  end
  put '</code></pre>'
  flush()
  return pandoc.Plain(out)
end

local function links(labels)
  local out, all = pandoc.List {}, {}
  for l in labels:gmatch('%S+') do all[#all + 1] = l end
  for i, l in ipairs(all) do
    if i > 1 then out:insert(pandoc.Str(i == #all and ' and ' or ', ')) end
    out:insert(link({ pandoc.Str(number[l] or '?') }, l))
  end
  return out
end

local function chunk(d)
  local a = d.attributes
  local head = pandoc.List { link({ pandoc.Str(a.num) }, d.identifier, 'at'), pandoc.Str ' ⟨' }
  head:extend(chunk_name(a.name))
  head:insert(pandoc.Str(a.prev ~= '' and '⟩+≡' or '⟩≡'))
  local foot = pandoc.List {}
  local function add(text, labels)
    if #foot > 0 then foot:insert(pandoc.Str '; ') end
    foot:insert(pandoc.Str(text))
    foot:extend(links(labels))
  end
  if a.prev ~= '' then add('begun in ', a.first) end
  if a.uses ~= '' then add('used in ', a.uses) end
  if a.next ~= '' then add('goes on in ', a.next) end
  local inside = pandoc.List { div({ pandoc.Plain(head) }, 'head'),
    listing(d.content[1].text, a.lang, 'code') }
  if #foot > 0 then inside:insert(div({ pandoc.Plain(foot) }, 'foot')) end
  return pandoc.Div(inside, pandoc.Attr(d.identifier, { 'chunk' }))
end

local function index(d)
  local items = {}
  for _, e in ipairs(d.content) do
    local a = e.attributes
    local line = pandoc.List(d.classes:includes('idents') and { pandoc.Code(a.name) } or chunk_name(a.name))
    if a.defs ~= '' then
      line:insert(pandoc.Str ' ')
      line:insert(pandoc.Strong(links(a.defs)))
    end
    if a.uses ~= '' then
      line:insert(pandoc.Str(a.defs ~= '' and ', ' or ' '))
      line:extend(links(a.uses))
    end
    items[#items + 1] = { pandoc.Plain(line) }
  end
  return div({ pandoc.BulletList(items) }, 'nwindex')
end

-- --- Figures ---------------------------------------------------------------------

local function figure(b)
  local caption = pandoc.read(b.attributes.caption or '', 'markdown').blocks[1]
  local out = pandoc.List {
    block(b.identifier ~= '' and ('<figure id="%s">'):format(b.identifier) or '<figure>'),
    pandoc.Plain { pandoc.Image({ pandoc.Str(b.attributes.alt or '') }, figures.build(b, 'svg')) },
  }
  if caption then
    out:extend { block '<figcaption>', pandoc.Plain(caption.content), block '</figcaption>' }
  end
  out:insert(block '</figure>')
  return out
end

local function other_code(b)
  if figures.kind(b) then return figure(b) end
  local lang = 'plain'
  for _, l in ipairs { 'c', 'asm', 'make', 'sh', 'diff' } do
    if b.classes:includes(l) then lang = l end
  end
  return listing(b.text, lang, 'console')
end

-- --- Boxes -----------------------------------------------------------------------

local BOXES = { goal = 'Goal', trial = 'Trial', aside = 'Aside', hint = 'Hint' }

local function box(d, class)
  local a, title = d.attributes, pandoc.List { pandoc.Str(BOXES[class]) }
  if class == 'trial' then
    if a.title then
      title:insert(pandoc.Str ': ')
      title:extend(pandoc.read(a.title, 'markdown').blocks[1].content)
    end
    local more = {}
    if a.minutes then more[#more + 1] = a.minutes .. ' minutes' end
    if a.level then more[#more + 1] = 'level ' .. a.level end
    if #more > 0 then title:insert(pandoc.Str(' (' .. table.concat(more, ', ') .. ')')) end
  end
  local inside = pandoc.List { div({ pandoc.Plain(title) }, 'name') }
  inside:extend(d.content)
  return pandoc.Div(inside, pandoc.Attr(d.identifier, { 'box', class },
    { { 'role', 'group' }, { 'aria-label', pandoc.utils.stringify(title) } }))
end

-- --- The filter --------------------------------------------------------------------

local function survey(doc)
  local function note(e) if e.identifier ~= '' then known[e.identifier] = true end end
  pandoc.walk_block(pandoc.Div(doc.blocks), {
    Header = note, CodeBlock = note, Span = note, Table = note,
    Div = function(d)
      note(d)
      if d.classes:includes('chunk') then number[d.identifier] = d.attributes.num end
    end,
  })
end

-- A part begins with a page of its own: its number, its name, its chapters.
local function open_part(d, chapters)
  local a, items = d.attributes, {}
  for _, h in ipairs(chapters) do
    items[#items + 1] = { pandoc.Plain { link(h.content, h.identifier) } }
  end
  local out = pandoc.List {
    pandoc.Header(1, { span({ pandoc.Str('Part ' .. a.number) }, 'number'), pandoc.Str ' ',
      pandoc.Str(a.title) }, pandoc.Attr(d.identifier, { 'part' })),
  }
  if (a.inwhich or '') ~= '' then
    out:insert(div({ pandoc.Para { pandoc.Emph { pandoc.Str(a.inwhich) } } }, 'inwhich'))
  end
  out:insert(div({ pandoc.OrderedList(items) }, 'chapters'))
  return out
end

local function arrange(doc)
  survey(doc)
  local out = pandoc.List {}
  -- the chapters of each part, which its first page names
  local of, part = {}, nil
  for i, b in ipairs(doc.blocks) do
    if b.t == 'Div' and (b.classes:includes('part') or b.classes:includes('backmatter')) then
      part = i
      of[part] = pandoc.List {}
    elseif b.t == 'Header' and b.level == 1 and part then
      of[part]:insert(b)
    end
  end
  for i, b in ipairs(doc.blocks) do
    if of[i] and b.classes:includes('part') then
      out:extend(open_part(b, of[i]))
    elseif of[i] then
      out:extend { pandoc.Header(1, { pandoc.Str 'Appendices' }, pandoc.Attr('appendices', { 'part' })) }
    elseif b.t == 'Header' then
      b.level = b.level + 1
      out:insert(b)
    else
      out:insert(b)
    end
  end
  if doc.meta.colophon then
    out:extend { pandoc.Header(2, { pandoc.Str 'Colophon' }, pandoc.Attr 'colophon'),
      pandoc.Para { pandoc.Str(pandoc.utils.stringify(doc.meta.colophon)) } }
  end
  doc.blocks = out
  doc.meta.rights = pandoc.MetaString 'GNU General Public License, version 2 or later'
  doc.meta.creator = pandoc.MetaString 'The lguest project'
  doc.meta.subject = pandoc.MetaString 'Hypervisors; operating systems; literate programming'
  doc.meta.identifier = pandoc.MetaString 'urn:uuid:5a7c0de5-0000-4000-8000-6c6775657374'
  doc.meta.description = pandoc.MetaString('A small hypervisor for x86-64 and Linux, and how it ' ..
    'works, told as a quest: the program is taken out of this book.')
  return doc
end

return {
  { Pandoc = arrange },
  -- before their insides are made HTML
  {
    Div = function(d)
      if d.classes:includes('chunk') then return chunk(d) end
      if d.classes:includes('nwindex') then return index(d) end
    end,
  },
  {
    Div = function(d)
      for class in pairs(BOXES) do
        if d.classes:includes(class) then return box(d, class) end
      end
    end,
    CodeBlock = other_code,
    Code = function(c)
      local ref = c.attributes.ref
      if c.classes:includes('chunkname') then return use(c.text, ref) end
      -- a long name may be broken where its words meet
      local bare = #c.text > 12 and not c.text:find ' ' and
        html('<code>' .. escape(c.text):gsub('[_/]', '%0<wbr />') .. '</code>') or pandoc.Code(c.text)
      return number[ref] and link({ bare }, ref, 'id') or bare
    end,
    -- "In which ..." is an opening, any other quotation is one
    BlockQuote = function(q)
      local first = q.content[1]
      if first and pandoc.utils.stringify(first):match('^In which') then
        return div(q.content, 'inwhich')
      end
    end,
    Link = function(l)
      local id = l.target:match('^#(.+)$')
      if id and not known[id] then
        io.stderr:write(('book: link to #%s leads nowhere\n'):format(id))
        return l.content
      end
      -- a chapter of its own is not a link to nowhere: [text](other.nw) stays text
      if not id and not l.target:match('^%a+:') then return l.content end
    end,
  },
}
