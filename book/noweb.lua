-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- A pandoc reader for what noweb makes of the quest:
--
--	markup -t FILE.nw ... | finduses | noidx | pandoc -f book/noweb.lua
--
-- noweb decides what is a chunk, what is quoted code, and who uses what; the
-- prose is pandoc's Markdown.  In the document that comes out
--
-- * each part begins with a Div.part (attributes letter, number, title);
-- * each chunk is a Div.chunk around one CodeBlock, with attributes name, num
--   (S7: part letter and count), lang, file, line, prev, next, first, uses,
--   defs, idents (labels of chunks, or names);
-- * quoted code is a Code.ident or Code.chunkname, with ref where it leads;
-- * two Div.nwindex at the end are the index of chunks and of identifiers.
--
-- Inside the code, uses of chunks and identifiers are bracketed by characters
-- of private use, which no fence and no escape can collide with:
--
--	E000 label E001 name of chunk E002	E003 label E001 identifier E002

local PARTS = {
  P = 'Preparation', G = 'Guest', D = 'Drivers', L = 'Launcher',
  H = 'Host', S = 'Switcher', M = 'Mastery',
}

local function language(name)
  local by_ending = { c = 'c', h = 'c', S = 'asm', lds = 'asm', sh = 'sh',
    patch = 'diff' }
  if name:match('Makefile$') or name:match('Kbuild$') or name:match('Kconfig$') then
    return 'make'
  end
  if name:match('/') and not name:match('%s') then
    return by_ending[name:match('%.(%w+)$') or ''] or 'plain'
  end
end

-- quest/6-switcher/cross.nw belongs to part S
local function part_of(file)
  local dir = file:match('%d+%-(%a)[^/]*/[^/]*$')
  return dir and dir:upper() or '?'
end

-- --- noweb's lines ----------------------------------------------------------

local files = {}            -- { name, part, md, ... } in order of reading
local chunks, quotes = {}, {}
local chunk_index, ident_index = {}, {}

local function read_stream(input)
  local file, chunk, quote, line
  local count, ref, ident, entry = {}, nil, nil, nil

  local function out(s)
    if quote then
      quote.text = quote.text .. s
    elseif chunk then
      chunk.text = chunk.text .. s
    elseif file then
      file.md[#file.md + 1] = s
    end
  end

  for l in input:gmatch('[^\n]*') do
    local key, rest = l:match('^@(%w+) ?(.*)$')
    if key == 'file' then
      file = { name = rest, part = part_of(rest), md = {} }
      files[#files + 1] = file
      line = 1
    elseif key == 'fatal' then
      error('noweb: ' .. file.name .. ': ' .. rest)
    elseif key == 'text' then
      if ident and chunk and not quote then
        rest = '\u{E003}' .. ident .. '\u{E001}' .. rest .. '\u{E002}'
        ident = nil
      end
      out(rest)
    elseif key == 'nl' then
      line = line + 1
      if chunk and not chunk.line then
        chunk.line = line
      else
        out('\n')
      end
    elseif key == 'begin' and rest:match('^code') then
      local p = file.part
      count[p] = (count[p] or 0) + 1
      chunk = { text = '', num = p .. count[p], file = file.name,
        uses = {}, defs = {}, idents = {} }
    elseif key == 'end' and rest:match('^code') then
      chunks[#chunks + 1] = chunk
      chunk = nil
      out(('\n\n~~~ {.nwchunk}\n%d\n~~~\n\n'):format(#chunks))
    elseif key == 'defn' then
      chunk.name = rest
    elseif key == 'quote' then
      quote = { text = '' }
    elseif key == 'endquote' then
      quotes[#quotes + 1] = quote
      quote = nil
      out(('`%d`{.nwquote}'):format(#quotes))
    elseif key == 'use' then
      if quote then
        quote.ref, quote.chunk, quote.text = ref, true, rest
      else
        out('\u{E000}' .. (ref or '') .. '\u{E001}' .. rest .. '\u{E002}')
      end
      ref = nil
    elseif key == 'xref' then
      local what, a, b = rest:match('^(%S+) ?(%S*) ?(.*)$')
      if what == 'ref' then ref = a ~= 'nw@notdef' and a or nil
      elseif what == 'label' and chunk then chunk.label = chunk.label or a
      elseif what == 'prevdef' and chunk then chunk.prev = a
      elseif what == 'nextdef' and chunk then chunk.next = a
      elseif what == 'useitem' and chunk then table.insert(chunk.uses, a)
      elseif what == 'defitem' and chunk then table.insert(chunk.defs, a)
      elseif what == 'chunkbegin' then entry = { name = b, defs = {}, uses = {} }
      elseif what == 'chunkdefn' then table.insert(entry.defs, a)
      elseif what == 'chunkuse' then table.insert(entry.uses, a)
      elseif what == 'chunkend' then table.insert(chunk_index, entry)
      end
    elseif key == 'index' then
      local what, a, b = rest:match('^(%S+) ?(%S*) ?(.*)$')
      if what == 'nl' then line = line + 1
      elseif what == 'use' and quote then quote.ref = quote.ref or ref
      elseif what == 'use' and chunk then ident = ref
      elseif what == 'defitem' and chunk then table.insert(chunk.idents, a)
      elseif what == 'entrybegin' then entry = { name = b, defs = {}, uses = {} }
      elseif what == 'entrydefn' then table.insert(entry.defs, a)
      elseif what == 'entryuse' then table.insert(entry.uses, a)
      elseif what == 'entryend' then table.insert(ident_index, entry)
      end
    end
  end
end

-- the language of a chunk is that of the file that it ends up in
local function find_languages()
  local by_name = {}
  for _, c in ipairs(chunks) do
    by_name[c.name] = by_name[c.name] or {}
    table.insert(by_name[c.name], c)
    c.first = by_name[c.name][1].label
  end
  local function flow(name, lang)
    for _, c in ipairs(by_name[name] or {}) do
      if not c.lang then
        c.lang = lang
        for use in c.text:gmatch('\u{E000}[^\u{E001}]*\u{E001}([^\u{E002}]*)\u{E002}') do
          flow(use, lang)
        end
      end
    end
  end
  for name in pairs(by_name) do
    if language(name) then flow(name, language(name)) end
  end
end

-- --- The document -------------------------------------------------------------

local function chunk_div(c)
  local attributes = {
    { 'name', c.name }, { 'num', c.num }, { 'lang', c.lang or 'c' },
    { 'file', c.file }, { 'line', tostring(c.line or 0) },
    { 'prev', c.prev or '' }, { 'next', c.next or '' }, { 'first', c.first },
    { 'uses', table.concat(c.uses, ' ') },
    { 'defs', table.concat(c.defs, ' ') },
    { 'idents', table.concat(c.idents, ' ') },
  }
  return pandoc.Div({ pandoc.CodeBlock((c.text:gsub('\n+$', ''))) },
    pandoc.Attr(c.label, { 'chunk' }, attributes))
end

local function quoted(text)
  return (text:gsub('`(%d+)`{%.nwquote}', function(n)
    local q = quotes[tonumber(n)]
    return '[[' .. (q.chunk and '<<' .. q.text .. '>>' or q.text) .. ']]'
  end))
end

local function restore(element)
  return pandoc.walk_block(element, {
    CodeBlock = function(b)
      if b.classes:includes('nwchunk') then
        return chunk_div(chunks[tonumber(b.text)])
      end
      b.text = quoted(b.text)
      -- what a program wrote: {.console file="PATH"}, with nothing inside
      if b.attributes.file then
        b.text = assert(io.open(b.attributes.file)):read('a'):gsub('\n+$', '')
        b.attributes.file = nil
      end
      return b
    end,
    Code = function(c)
      if not c.classes:includes('nwquote') then
        c.text = quoted(c.text)
        return c
      end
      local q = quotes[tonumber(c.text)]
      return pandoc.Code(q.text, pandoc.Attr('',
        { q.chunk and 'chunkname' or 'ident' }, q.ref and { { 'ref', q.ref } } or {}))
    end,
  })
end

-- Each file is read by itself, so that [^1] in two of them is two notes.  A
-- heading that has been seen in an earlier file gets a name of its own.
local seen = {}
local function read_file(f)
  local doc = pandoc.read(table.concat(f.md), 'markdown-implicit_figures')
  local stem, renamed = f.name:match('([^/]*)%.nw$') or 'file', {}
  local body = restore(pandoc.Div(doc.blocks))
  body = pandoc.walk_block(body, {
    Header = function(h)
      local id = h.identifier
      if id ~= '' and seen[id] then
        renamed[id] = stem .. '-' .. id
        h.identifier = renamed[id]
      end
      seen[h.identifier] = true
      return h
    end,
  })
  body = pandoc.walk_block(body, {
    Link = function(l)
      local id = l.target:match('^#(.*)$')
      if renamed[id] then l.target = '#' .. renamed[id] end
      return l
    end,
  })
  return body.content
end

local function index(id, class, title, list)
  local entries = {}
  table.sort(list, function(a, b)
    local x, y = a.name:lower(), b.name:lower()
    if x == y then return a.name < b.name end
    return x < y
  end)
  for _, e in ipairs(list) do
    entries[#entries + 1] = pandoc.Div({}, pandoc.Attr('', { 'entry' }, {
      { 'name', e.name }, { 'defs', table.concat(e.defs, ' ') },
      { 'uses', table.concat(e.uses, ' ') } }))
  end
  return pandoc.Header(1, title, pandoc.Attr(id .. '-index', { 'unnumbered' })),
    pandoc.Div(entries, pandoc.Attr(id, { 'nwindex', class }))
end

function Reader(input)
  read_stream(tostring(input))
  find_languages()

  local blocks, part = pandoc.List{}, nil
  for _, f in ipairs(files) do
    if f.part ~= part then
      part = f.part
      blocks:insert(pandoc.Div({}, pandoc.Attr('part-' .. part:lower(), { 'part' },
        { { 'letter', part }, { 'number', f.name:match('(%d+)%-[^/]*/[^/]*$') or '0' },
        { 'title', PARTS[part] or part } })))
    end
    blocks:extend(read_file(f))
  end
  local function add(...)
    for _, b in ipairs { ... } do blocks:insert(b) end
  end
  blocks:insert(pandoc.Div({}, pandoc.Attr('', { 'backmatter' })))
  add(index('chunks', 'chunks', 'Index of chunks', chunk_index))
  add(index('identifiers', 'idents', 'Index of identifiers', ident_index))
  return pandoc.Pandoc(blocks)
end
