-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- A pandoc reader for what noweb makes of the quest:
--
--	markup -t FILE.nw ... | finduses | noidx | pandoc -f book/noweb.lua
--
-- noweb decides what is a chunk, what is quoted code, and who uses what; the
-- prose is pandoc's Markdown.  In the document that comes out
--
-- * each part begins with a Div.part (attributes letter, number, title, inwhich);
-- * each chunk is a Div.chunk around one CodeBlock, with attributes name, num
--   (S7: part letter and count), lang, file, line, prev, next, first, uses,
--   defs, idents (labels of chunks, or names);
-- * quoted code is a Code.ident or Code.chunkname, with ref where it leads;
-- * a Div.backmatter stands before the appendices, which are the files that are
--   not in the quest, and before the indices;
-- * two Div.nwindex at the end are the index of chunks and of identifiers.
--
-- What the quest asks the reader to find out:
--
--	[...]{.time}			how long it takes to read this chapter
--	::: map				a table of what this part's code goes to
--	::: {.interface chunks="a; b"}	a table of what these chunks declare
--	::: trials			a list of the trials
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

-- quest/6-switcher/cross.nw belongs to part S; what has no part is an appendix
local APPENDIX = 'A'
local function part_of(file)
  local dir = file:match('%d+%-(%a)[^/]*/[^/]*$')
  return dir and dir:upper() or APPENDIX
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

-- noweb finds words. But `device` may be a structure in one line and somebody's
-- variable in the next, and only the structure is meant by its name. So a word in
-- small letters counts where it stands behind `struct` and the like, or before a
-- parenthesis, if such a thing is what was defined; names with an underscore are
-- their own.
local STRIP = '\u{E003}[^\u{E001}]*\u{E001}([^\u{E002}]*)\u{E002}'
local function drop_homonyms()
  local by_label, kind, kept = {}, {}, {}
  for _, c in ipairs(chunks) do by_label[c.label] = c end
  for _, e in ipairs(ident_index) do
    if e.name:match('^%l+$') then
      for _, label in ipairs(e.defs) do
        local text = by_label[label] and by_label[label].text:gsub(STRIP, '%1') or ''
        local k = kind[e.name] or {}
        for _, word in ipairs { 'struct ', 'enum ', 'union ' } do
          k.tag = k.tag or text:find(word .. e.name .. ' {', 1, true)
        end
        k.called = k.called or text:match('%f[%w_]' .. e.name .. '%(')
        kind[e.name] = (k.tag or k.called) and k
      end
    end
  end
  for _, c in ipairs(chunks) do
    local text = c.text
    c.text = text:gsub('()(\u{E003}[^\u{E001}]*\u{E001}([^\u{E002}]*)\u{E002})()',
      function(from, token, name, to)
        local before = text:sub(math.max(1, from - 7), from - 1)
        local k = kind[name]
        local keep = not k or k.called and text:sub(to, to) == '(' or k.tag and
          (before:match('struct $') or before:match('enum $') or before:match('union $'))
        if not keep then return name end
        kept[name] = kept[name] or {}
        kept[name][c.label] = true
        return token
      end)
  end
  for _, e in ipairs(ident_index) do
    if kind[e.name] then
      local uses = {}
      for _, label in ipairs(e.uses) do
        if kept[e.name] and kept[e.name][label] then uses[#uses + 1] = label end
      end
      e.uses = uses
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

-- --- What is found out ----------------------------------------------------------

-- Words at 200 a minute, and four seconds for a line of code.
local function reading_time(doc, text)
  local words, lines = 0, 0
  pandoc.walk_block(pandoc.Div(doc.blocks), {
    Str = function(s) if s.text:match('%w') then words = words + 1 end end,
    Code = function() words = words + 1 end,
  })
  for n in text:gmatch('~~~ {%.nwchunk}\n(%d+)\n~~~') do
    for l in chunks[tonumber(n)].text:gmatch('[^\n]+') do
      if l:match('%S') then lines = lines + 1 end
    end
  end
  local minutes = words / 200 + lines * 4 / 60
  return math.max(5, math.floor(minutes / 5 + 0.5) * 5)
end

local function hours(minutes)
  if minutes < 100 then return ('about %d minutes'):format(minutes) end
  local halves = math.floor(minutes / 30 + 0.5)
  if halves == 2 then return 'about an hour' end
  return ('about %d%s hours'):format(halves // 2, halves % 2 == 1 and '½' or '')
end

local function cell(...) return { pandoc.Plain { ... } } end
local function new_table(heads, aligns, rows)
  local head, widths = {}, {}
  for i, h in ipairs(heads) do head[i], widths[i] = cell(pandoc.Str(h)), 0 end
  return pandoc.utils.from_simple_table(pandoc.SimpleTable({}, aligns, widths, head, rows))
end
local function join(items, separator)
  local out = pandoc.List {}
  for i, x in ipairs(items) do
    if i > 1 then out:extend(separator or { pandoc.Str ',', pandoc.Space() }) end
    out:extend(x)
  end
  return out
end
local function link_chunk(c, text)
  return pandoc.Link(text or { pandoc.Str(c.num) }, '#' .. c.label, '', pandoc.Attr('', { 'chunkref' }))
end

-- A root's own lines and those of all that it uses; and by which chunks.
local function expand(name, by_name, seen)
  local lines, all = 0, pandoc.List {}
  for _, c in ipairs(by_name[name] or {}) do
    if not seen[c] then all:insert(c) end
    seen[c] = true
    for l in c.text:gmatch('[^\n]+') do
      local use = l:match('\u{E000}[^\u{E001}]*\u{E001}([^\u{E002}]*)\u{E002}')
      if use then
        local n, more = expand(use, by_name, seen)
        lines = lines + n
        all:extend(more)
      elseif l:match('%S') then
        lines = lines + 1
      end
    end
  end
  return lines, all
end

-- the name that this line defines for other files, if it is a function
local function global(line)
  line = line:gsub('\u{E003}[^\u{E001}]*\u{E001}([^\u{E002}]*)\u{E002}', '%1')
  if line:match('^static') or line:match(';$') then return end
  return line:match('^[%a_][%w_ *]*[ *]([%a_][%w_]*)%([^()]*$') or
    line:match('^[%a_][%w_ *]*[ *]([%a_][%w_]*)%([^()]*%)$') or
    line:match('^SYM_%a+_START%(([%w_]+)') or line:match('^%s*%.globl%s+([%w_]+)')
end

local NAMES = 6                 -- of a file, in a map

local function map_of(part, titles, times)
  local by_name, label_of, roots = {}, {}, {}
  for _, c in ipairs(chunks) do
    by_name[c.name] = by_name[c.name] or {}
    table.insert(by_name[c.name], c)
    label_of[c.label] = c
    if part_of(c.file) == part and language(c.name) and #by_name[c.name] == 1 then
      table.insert(roots, c.name)
    end
  end
  local defined = {}            -- label of a chunk: names that it defines
  for _, e in ipairs(ident_index) do
    for _, l in ipairs(e.defs) do
      defined[l] = defined[l] or {}
      table.insert(defined[l], e.name)
    end
  end

  local rows, total, count = {}, 0, 0
  for _, name in ipairs(roots) do
    local lines, all = expand(name, by_name, {})
    local chapters, seen, idents = {}, {}, {}
    for _, c in ipairs(all) do
      if not seen[c.file] then
        seen[c.file] = true
        local t = titles[c.file]
        table.insert(chapters, { t and pandoc.Link(t.content, '#' .. t.id) or pandoc.Str(c.file) })
      end
      local names = { table.unpack(defined[c.label] or {}) }
      for l in c.text:gmatch('[^\n]+') do names[#names + 1] = global(l) end
      for _, i in ipairs(names) do
        if #idents <= NAMES and not seen[i] then
          seen[i] = true
          table.insert(idents, { pandoc.Code(i, pandoc.Attr('', { 'ident' }, { { 'ref', c.label } })) })
        end
      end
    end
    if #idents > NAMES then idents[#idents] = { pandoc.Str '…' } end
    local first = by_name[name][1]
    if #chapters > 3 then
      local more = #chapters - 2
      chapters = { chapters[1], chapters[2], { pandoc.Str(('and %d more'):format(more)) } }
    end
    rows[#rows + 1] = {
      cell(pandoc.Code(name, pandoc.Attr('', { 'ident' }, { { 'ref', first.label } }))),
      cell(table.unpack(join(chapters))),
      cell(table.unpack(join(idents))),
      cell(pandoc.Str(tostring(lines))), cell(pandoc.Str(tostring(#all))),
    }
    total, count = total + lines, count + #all
  end
  rows[#rows + 1] = { cell(pandoc.Str 'all'), cell(), cell(),
    cell(pandoc.Str(tostring(total))), cell(pandoc.Str(tostring(count))) }
  local minutes, n = 0, 0
  for file, t in pairs(times) do
    if part_of(file) == part then minutes, n = minutes + t, n + 1 end
  end
  local t = new_table({ 'file', 'chapter', 'names', 'lines', 'chunks' },
    { 'AlignLeft', 'AlignLeft', 'AlignLeft', 'AlignRight', 'AlignRight' }, rows)
  local sum = ('To read it all takes %s%s.'):format(hours(minutes),
    n > 1 and (', in %d chapters'):format(n) or '')
  return pandoc.Div(#roots > 0 and { t, pandoc.Para { pandoc.Str(sum) } }
    or { pandoc.Para { pandoc.Str(sum) } }, pandoc.Attr('', { 'map' }))
end

-- What chunks declare, and what the comments beside it say.
local function interface(names)
  local rows, meant = {}, false
  local function row(c, name, value, text)
    meant = meant or text ~= ''
    rows[#rows + 1] = { cell(pandoc.Code(name)), cell(pandoc.Code(value)),
      cell(table.unpack(pandoc.utils.blocks_to_inlines(
        pandoc.read((text:gsub('[<*_`$^~\\%[%]]', '\\%0')), 'markdown').blocks))),
      cell(link_chunk(c)) }
    if value == '' then rows[#rows][2] = cell() end
  end
  for name in names:gmatch('[^;]+') do
    name = name:match('^%s*(.-)%s*$')
    local found = false
    for _, c in ipairs(chunks) do
      if c.name == name then
        found = true
        local text = c.text
        for _, start in ipairs { '\u{E000}', '\u{E003}' } do
          text = text:gsub(start .. '[^\u{E001}]*\u{E001}([^\u{E002}]*)\u{E002}', '%1')
        end
        -- a declaration and its comment on one line
        text = text:gsub('\\\n%s*', ' '):gsub('/%*.-%*/', function(comment)
          return (comment:gsub('\n[%s*]*', ' '))
        end)
        local before = ''
        for l in text:gmatch('[^\n]+') do
          local code, comment = l:match('^%s*(.-)%s*/%*%s*(.-)%s*%*/')
          if not code then code, comment = l:match('^%s*(.-)%s*$'), before end
          before = ''
          local define, value = code:match('^#define%s+([%w_]+)%s+(.+)$')
          local kind, members = code:match('^(struct [%w_]+ )([%w_%[%]]+);$')
          if not kind then
            kind, members = code:match('^([%w_ ]-[%w_][ *]) *([%w_%[%], ]+);$')
          end
          local entry, number = code:match('^([%u%d_]+)%s*=?%s*([%w_]*),$')
          if define then row(c, define, value, comment)
          elseif members then row(c, members, kind:gsub('%s+$', ''), comment)
          elseif entry then row(c, entry, number, comment)
          elseif code:match('^struct [%w_]+ {$') then row(c, code:gsub(' {$', ''), '', comment)
          elseif code == '' then before = comment
          end
        end
      end
    end
    if not found then error(('book: ::: interface wants a chunk that is not there: %s'):format(name)) end
  end
  local heads = { 'name', 'value or type', 'meaning', 'in' }
  if not meant then                     -- no comments, no column for them
    table.remove(heads, 3)
    for _, r in ipairs(rows) do table.remove(r, 3) end
  end
  local aligns = {}
  for i = 1, #heads do aligns[i] = 'AlignLeft' end
  return new_table(heads, aligns, rows)
end

local function list_of_trials(trials)
  local items = {}
  for _, t in ipairs(trials) do
    local line = pandoc.List { pandoc.Link(t.title, '#' .. t.id), pandoc.Str ',',
      pandoc.Space(), pandoc.Str 'in', pandoc.Space(), pandoc.Link(t.chapter.content, '#' .. t.chapter.id) }
    if t.minutes then line:insert(pandoc.Str((' (%s minutes)'):format(t.minutes))) end
    items[#items + 1] = { pandoc.Plain(line) }
  end
  return pandoc.BulletList(items)
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
-- heading that has been seen in an earlier file gets a name of its own, and so
-- does a section that is called as a chapter is.
local seen, chapters = {}, {}
local function read_file(f)
  local text = table.concat(f.md)
  local doc = pandoc.read(text, 'markdown-implicit_figures')
  local stem, renamed = f.name:match('([^/]*)%.nw$') or 'file', {}
  f.minutes = reading_time(doc, text)
  local body = restore(pandoc.Div(doc.blocks))
  body = pandoc.walk_block(body, {
    Header = function(h)
      local id = h.identifier
      if id ~= '' and (seen[id] or h.level > 1 and chapters[id]) then
        renamed[id] = stem .. '-' .. id
        h.identifier = renamed[id]
      end
      seen[h.identifier] = true
      if h.level == 1 and not f.title then
        f.title = { id = h.identifier, content = h.content }
      end
      return h
    end,
  })
  body = pandoc.walk_block(body, {
    Link = function(l)
      local id = l.target:match('^#(.*)$')
      if renamed[id] then l.target = '#' .. renamed[id] end
      return l
    end,
    Span = function(e)
      if e.classes:includes('time') then
        e.content = { pandoc.Str(hours(f.minutes)) }
        return e
      end
    end,
    BlockQuote = function(q)
      local text = pandoc.utils.stringify(q)
      if text:match('^In which') then f.inwhich = f.inwhich or text end
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

-- Tables and lists that need all files to have been read.
local function fill_in(body)
  local titles, times, trials = {}, {}, {}
  for _, f in ipairs(files) do
    titles[f.name], times[f.name] = f.title, f.minutes
  end
  for i, f in ipairs(files) do
    pandoc.walk_block(pandoc.Div(body[i]), {
      Div = function(d)
        if d.classes:includes('trial') and d.identifier ~= '' then
          local title = pandoc.read(d.attributes.title or d.identifier, 'markdown').blocks[1].content
          table.insert(trials, { id = d.identifier, chapter = f.title, title = title,
            minutes = d.attributes.minutes })
        end
      end,
    })
  end
  for i, f in ipairs(files) do
    body[i] = pandoc.walk_block(pandoc.Div(body[i]), {
      Div = function(d)
        if d.classes:includes('map') then return map_of(f.part, titles, times) end
        if d.classes:includes('interface') then return interface(d.attributes.chunks or '') end
        if d.classes:includes('trials') then return list_of_trials(trials) end
      end,
    }).content
  end
end

function Reader(input)
  read_stream(tostring(input))
  drop_homonyms()
  find_languages()

  for _, f in ipairs(files) do
    chapters[table.concat(f.md):match('^# [^\n]*{#([%w-]+)}') or ''] = true
  end
  local body = {}
  for i, f in ipairs(files) do body[i] = read_file(f) end
  fill_in(body)

  -- a part's words are those of the chapter that bears its name
  local inwhich = {}
  for _, f in ipairs(files) do
    local name = f.name:match('([^/]*)%.nw$')
    if not inwhich[f.part] or PARTS[f.part] and name == PARTS[f.part]:lower() then
      inwhich[f.part] = f.inwhich or ''
    end
  end

  local blocks, part, back = pandoc.List{}, nil, false
  for i, f in ipairs(files) do
    if f.part ~= part and f.part ~= APPENDIX then
      blocks:insert(pandoc.Div({}, pandoc.Attr('part-' .. f.part:lower(), { 'part' },
        { { 'letter', f.part }, { 'number', f.name:match('(%d+)%-[^/]*/[^/]*$') or '0' },
        { 'title', PARTS[f.part] or f.part }, { 'inwhich', inwhich[f.part] } })))
    elseif f.part ~= part then
      blocks:insert(pandoc.Div({}, pandoc.Attr('', { 'backmatter' })))
      back = true
    end
    part = f.part
    blocks:extend(body[i])
  end
  local function add(...)
    for _, b in ipairs { ... } do blocks:insert(b) end
  end
  if not back then blocks:insert(pandoc.Div({}, pandoc.Attr('', { 'backmatter' }))) end
  add(index('chunks', 'chunks', 'Index of chunks', chunk_index))
  add(index('identifiers', 'idents', 'Index of identifiers', ident_index))
  return pandoc.Pandoc(blocks)
end
