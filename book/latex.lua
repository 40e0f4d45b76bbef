-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- A pandoc filter: the document of noweb.lua in LaTeX.  Only looks are made
-- here and in book.latex; the structure is in the document.
--
-- Environment: BOOK is this directory.

package.path = (os.getenv('BOOK') or 'book') .. '/?.lua;' .. package.path
local code = require 'code'
local figures = require 'figures'

local function raw(s) return pandoc.RawInline('latex', s) end
local function block(s) return pandoc.RawBlock('latex', s) end
local words = code.words

-- --- Text ---------------------------------------------------------------------

local ESCAPE = {
  ['\\'] = '\\textbackslash{}', ['{'] = '\\{', ['}'] = '\\}', ['$'] = '\\$',
  ['&'] = '\\&', ['#'] = '\\#', ['^'] = '\\textasciicircum{}', ['_'] = '\\_',
  ['%'] = '\\%', ['~'] = '\\textasciitilde{}', ["'"] = '\\textquotesingle{}',
  ['`'] = '\\textasciigrave{}', ['-'] = '\\mbox{-}',
}
local function escape(s) return (s:gsub('[\\{}$&#^_%%~\'`]', ESCAPE)) end
local function escape_code(s)
  s = s:gsub('[\\{}$&#^_%%~\'`-]', ESCAPE)
  return (s:gsub('<<', '<{}<'):gsub('>>', '>{}>'):gsub(' ', '\\ '))
end
-- in running text a long name may be broken where its words meet
local function escape_ident(s)
  local t = escape_code(s)
  if #s > 8 then
    t = t:gsub('\\_', '\\_\\allowbreak{}'):gsub('/', '/\\allowbreak{}')
      :gsub('\\mbox{%-}', '\\mbox{-}\\allowbreak{}'):gsub('%(', '(\\allowbreak{}')
      :gsub('%.([%w_]%w%w%w)', '.\\allowbreak{}%1'):gsub('=', '=\\allowbreak{}')
      :gsub('\\ ', '\\ \\allowbreak{}')
  end
  return t
end
-- the name of a chunk may quote code
local function chunk_name(n)
  if n:match('/') and not n:match('%s') then return '\\qq{' .. escape_ident(n) .. '}' end
  return (n:gsub('%[%[(.-)%]%]', '\1%1\2'):gsub('[^\1\2]+', escape)
    :gsub('\1', '\\qq{'):gsub('\2', '}'))
end

-- --- Chunks and other code ------------------------------------------------------

-- What is longer than SHORT lines may be broken, but not near its ends; best
-- at an empty line.
local SHORT, END = 12, 3

local function code_lines(text, lang, command, whole)
  local lines, out = code.lines(text, lang), {}
  for i, line in ipairs(lines) do
    local l, use = {}, false
    for _, t in ipairs(line) do
      if t.kind == 'use' then
        use = true
        l[#l + 1] = ('\\quse{%s}{%s}'):format(t.ref or '', chunk_name(t.text))
      elseif t.ref then
        l[#l + 1] = ('\\qid{%s}{%s}'):format(t.ref, escape_code(t.text))
      elseif t.kind == 'txt' or t.kind == 'id' or lang == 'plain' then
        l[#l + 1] = escape_code(t.text)
      else
        l[#l + 1] = ('\\q%s{%s}'):format(t.kind, escape_code(t.text))
      end
    end
    local indent = use and #line[1].text:match('^ *') or 0
    if not whole and #lines > SHORT and i > END and i <= #lines - END + 1 then
      out[#out] = out[#out] .. (#line == 0 and '\\qbreak{50}' or '\\qbreak{500}')
    end
    out[#out + 1] = #line == 0 and command .. 'empty' or
      (use and ('\\qlu{%d}{'):format(indent) or command .. '{') .. table.concat(l) .. '}'
  end
  return table.concat(out, '\n')
end

local function refs(labels, most)
  local t = {}
  for _, l in ipairs(labels) do t[#t + 1] = '\\qref{' .. l .. '}' end
  if most and #t > most then
    return table.concat(t, ', ', 1, most) .. ' …'
  end
  if #t < 2 then return t[1] end
  return table.concat(t, ', ', 1, #t - 1) .. ' and ' .. t[#t]
end

-- A name that a chunk defines, and where it is used.
local USES = 6
local users = {}                -- name: labels of chunks
local function definition(name, here)
  local t = {}
  for _, l in ipairs(users[name] or {}) do
    if l ~= here then t[#t + 1] = l end
  end
  return '\\qdef{' .. escape_ident(name) .. '}' .. (#t > 0 and ' (' .. refs(t, USES) .. ')' or '')
end

local function chunk(d)
  local a, foot, names = d.attributes, {}, {}
  if a.prev ~= '' then foot[#foot + 1] = 'begun in ' .. refs(words(a.first)) end
  if a.uses ~= '' then foot[#foot + 1] = 'used in ' .. refs(words(a.uses)) end
  if a.next ~= '' then foot[#foot + 1] = 'goes on in ' .. refs(words(a.next)) end
  for _, n in ipairs(words(a.idents)) do names[#names + 1] = definition(n, d.identifier) end
  if #names > 0 then foot[#foot + 1] = 'defines ' .. table.concat(names, ', ') end
  return block(('\\chunkskip{%s}\\chunk{%s}{%s}{%s}{%s}\n%s\n\\chunkdone{%s}'):format(
    a.keep and '10000' or '60', d.identifier, a.num, chunk_name(a.name), a.prev ~= '' and '+' or '',
    code_lines(d.content[1].text, a.lang, '\\ql', a.whole), table.concat(foot, '; ')))
end

-- Longer lines than WIDE columns of what a program says go on below.
local WIDE = 88

local function listing(b)
  local lang, text = 'plain', {}
  for _, l in ipairs { 'c', 'asm', 'make', 'sh', 'diff' } do
    if b.classes:includes(l) then lang = l end
  end
  for line in (b.text .. '\n'):gmatch('([^\n]*)\n') do
    while utf8.len(line) and utf8.len(line) > WIDE do
      local cut = utf8.offset(line, WIDE - 1)
      text[#text + 1] = line:sub(1, cut - 1) .. '\\'
      line = '    ' .. line:sub(cut)
    end
    text[#text + 1] = line
  end
  return block('\\begin{qconsole}\n' .. code_lines(table.concat(text, '\n'), lang, '\\qlc')
    .. '\n\\end{qconsole}')
end

local function index(d)
  local o, idents, letter = {}, d.classes:includes('idents'), nil
  o[1] = ('\\begin{qindex}{%d}'):format(idents and 3 or 2)
  for _, e in ipairs(d.content) do
    local a, t = e.attributes, {}
    local initial = a.name:match('%a') and a.name:match('%a'):upper()
    if initial ~= letter then o[#o + 1] = '\\qletter{' .. (initial or '') .. '}' end
    letter = initial
    for _, w in ipairs(words(a.defs)) do t[#t + 1] = '\\textbf{\\qref{' .. w .. '}}' end
    for _, w in ipairs(words(a.uses)) do t[#t + 1] = '\\qref{' .. w .. '}' end
    local name = idents and '\\qq{' .. escape_ident(a.name) .. '}'
      or '\\qname{' .. chunk_name(a.name) .. '}'
    o[#o + 1] = ('\\qentry{%s}{%s}'):format(name, table.concat(t, ', '))
  end
  o[#o + 1] = '\\end{qindex}'
  return block(table.concat(o, '\n'))
end

-- --- Figures ----------------------------------------------------------------------

-- UTF-16 in hexadecimal digits, as PDF wants it
local function utf16(s)
  local t = { 'FEFF' }
  for _, c in utf8.codes(s) do
    if c >= 0x10000 then
      c = c - 0x10000
      t[#t + 1] = ('%04X%04X'):format(0xD800 + (c >> 10), 0xDC00 + (c & 0x3FF))
    else
      t[#t + 1] = ('%04X'):format(c)
    end
  end
  return table.concat(t)
end

local function figure(b)
  local path = figures.build(b, 'pdf')
  local caption = pandoc.read(b.attributes.caption or '', 'markdown').blocks[1]
  local out = pandoc.List { raw('\\begin{figure}\\centering\\qfigure{' .. path .. '}{' ..
    utf16(b.attributes.alt or b.attributes.caption or '') .. '}') }
  if caption then
    out:insert(raw('\\caption{'))
    out:extend(caption.content)
    out:insert(raw('}'))
  end
  if b.identifier ~= '' then out:insert(raw('\\label{' .. b.identifier .. '}')) end
  out:insert(raw('\\end{figure}'))
  return pandoc.Plain(out)
end

-- --- Tables: as wide as their words ask for ---------------------------------------
--
-- A table that does not fit onto a line gets columns of measured width: enough
-- for the longest word of each, and the rest, character by character, to the
-- column that becomes the shorter for it.

local LINE = 88               -- characters of table text on a line; more in the appendices
local BACK_LINE = 106
local BOLD = 1.25             -- the heads of columns are so much wider

-- the width of a text in characters, and of what must not be broken
local function measure(cell, breakable)
  local wish, need = 0, 0
  local function word(w, code)
    local pattern = code and (breakable and '[^_/.(=]+[_/.(=]*' or '.+') or '[^-/]+[-/]*'
    for piece in w:gmatch(pattern) do
      local n = (utf8.len(piece) or #piece) * (code and 1.14 or 1)
      if code and n > 20 then n = n * 0.6 end     -- will break once
      need = math.max(need, math.ceil(n))
    end
  end
  pandoc.walk_block(pandoc.Div(cell.contents or cell.content), {
    Str = function(s)
      wish = wish + (utf8.len(s.text) or #s.text)
      word(s.text)
    end,
    Code = function(c)
      wish = wish + math.ceil(#c.text * 1.1)
      for w in c.text:gmatch('%S+') do word(w, true) end
    end,
    Strong = function(s)
      for w in pandoc.utils.stringify(s):gmatch('%S+') do
        need = math.max(need, math.ceil(utf8.len(w) * BOLD))
      end
    end,
    Space = function() wish = wish + 1 end, SoftBreak = function() wish = wish + 1 end,
  })
  return wish, need
end

local function table_widths(t, breakable)
  local cells, natural, least, n = {}, {}, {}, #t.colspecs
  for i = 1, n do natural[i], least[i], cells[i] = 2, 2, {} end
  local function row(r, head)
    for i, cell in ipairs(r.cells) do
      local wish, need = measure(cell, breakable)
      if head then wish, need = math.ceil(wish * BOLD), math.ceil(need * BOLD) end
      natural[i], least[i] = math.max(natural[i], wish + 1), math.max(least[i], need + 1)
      table.insert(cells[i], wish)
    end
  end
  for _, r in ipairs(t.head.rows) do row(r, true) end
  for _, b in ipairs(t.bodies) do
    for _, r in ipairs(b.body) do row(r) end
  end
  local room, wanted, minimum = LINE - 2 * (n - 1), 0, 0
  for i = 1, n do wanted, minimum = wanted + natural[i], minimum + least[i] end
  if minimum > room * 0.8 and not breakable then return table_widths(t, true) end
  if wanted <= room then
    for i = 1, n do t.colspecs[i] = { t.colspecs[i][1], nil } end
    return t
  end

  -- A row is as high as its highest cell.  Words do not fill their lines: we
  -- reckon with some more than there are.
  local function height(wider)
    local sum = 0
    for r = 1, #cells[1] do
      local highest = 0
      for i = 1, n do
        local lines = math.max(1, cells[i][r] * 1.1 / (least[i] + (i == wider and 1 or 0)))
        highest, sum = math.max(highest, lines), sum + 0.1 * lines
      end
      sum = sum + highest
    end
    return sum
  end
  for _ = 1, room - minimum do
    local best, low = nil, height()
    for i = 1, n do
      local h = least[i] < natural[i] and height(i) or low
      if h < low then best, low = i, h end
    end
    if not best then break end
    least[best] = least[best] + 1
    minimum = minimum + 1
  end
  for i = 1, n do               -- what no row needs: names in one piece, from the left
    local more = math.max(0, math.min(room - minimum, natural[i] - least[i]))
    least[i], minimum = least[i] + more, minimum + more
  end
  local sum = 0
  for i = 1, n do sum = sum + least[i] end
  for i = 1, n do
    t.colspecs[i] = { t.colspecs[i][1], math.floor(least[i] / math.max(sum, room) * 10000) / 10000 }
  end
  return t
end

-- the heads of columns, and links that are too narrow for the number of a page
local function table_looks(t)
  t = pandoc.walk_block(t, {
    Link = function(l)
      l.classes:insert('narrow')
      return l
    end,
  })
  for _, r in ipairs(t.head.rows) do
    for _, c in ipairs(r.cells) do
      for _, b in ipairs(c.contents or c.content) do
        if b.content and #b.content > 0 then
          b.content:insert(1, raw('\\qth{'))
          b.content:insert(raw('}'))
        end
      end
    end
  end
  local rows = 0
  for _, b in ipairs(t.bodies) do rows = rows + #b.body end
  t = table_widths(t)
  if rows > SHORT then return t end
  return { block('\\begingroup\\qshort'), t, block('\\endgroup') }
end

-- --- The filter ---------------------------------------------------------------------

-- Markdown of an attribute, and the words of blocks without their looks
local function tex(inlines)
  return (pandoc.write(pandoc.Pandoc { pandoc.Plain(inlines) }, 'latex'):gsub('\n', ' '))
end
local function markdown(s)
  local b = pandoc.read(s or '', 'markdown').blocks[1]
  return b and tex(b.content) or ''
end

local BOXES = { goal = 'qgoal', trial = 'qtrial', aside = 'qaside', hint = 'qhint' }

-- (only a long one goes on on the next page)
local LONG = 1200

local function box(d, environment)
  local start = '\\begin{' .. environment .. '}'
  if #pandoc.utils.stringify(d) > LONG then start = start .. '[breakable]' end
  if environment == 'qtrial' then
    local a = d.attributes
    start = start .. ('{%s}{%s}{%s}'):format(markdown(a.title), a.minutes or '', a.level or '')
  end
  if d.identifier ~= '' then
    start = start .. ('\\phantomsection\\label{%s}\\hypertarget{%s}{}'):format(d.identifier, d.identifier)
  end
  local b = pandoc.List { block(start) }
  b:extend(d.content)
  b:insert(block('\\end{' .. environment .. '}'))
  return b
end

local function unwrapped(q)
  local inlines = pandoc.utils.blocks_to_inlines(q.content)
  return #inlines == 1 and inlines[1].t == 'Emph' and inlines[1].content or inlines
end

local ids, on_page = {}, {}     -- what can be linked to; what has a number of a page
local inwhich                   -- of the part

local looks = {
  Div = function(d)
    if d.classes:includes('nwindex') then return index(d) end
    if d.classes:includes('part') then
      inwhich = d.attributes.inwhich or ''
      return block(('\\qpart{%s}{%s}{%s}{%s}'):format(d.attributes.number,
        d.attributes.letter, d.attributes.title, markdown(inwhich)))
    end
    if d.classes:includes('backmatter') then return block('\\qback') end
    for class, environment in pairs(BOXES) do
      if d.classes:includes(class) then return box(d, environment) end
    end
  end,
  -- behind \\backmatter no chapter has a number, and \\chapter* has no running head
  Header = function(h)
    h.classes = h.classes:filter(function(c) return c ~= 'unnumbered' end)
    return h
  end,
  Note = function(n)
    local r = pandoc.List { raw('\\qnote{') }
    r:extend(pandoc.utils.blocks_to_inlines(n.content, { pandoc.LineBreak() }))
    r:insert(raw('}'))
    return r
  end,
  Code = function(c)
    local ref = c.attributes.ref
    if c.classes:includes('chunkname') then
      return raw(('\\quse{%s}{%s}'):format(ref or '', chunk_name(c.text)))
    end
    local t = '\\qq{' .. escape_ident(c.text) .. '}'
    return raw(ref and ('\\qid{%s}{%s}'):format(ref, t) or t)
  end,
  CodeBlock = function(b)
    return figures.kind(b) and figure(b) or listing(b)
  end,
  -- "In which ..." is an opening, and said once: by the part, or by the chapter.
  -- Any other quotation is one.
  BlockQuote = function(q)
    local words = pandoc.utils.stringify(q)
    if not words:match('^In which') then return end
    if words == inwhich then return {} end
    local text = tex(unwrapped(q))
    return block('\\begin{qinwhich}' .. text .. '\\end{qinwhich}\\qtocin{' .. text .. '}')
  end,
  -- A reader of paper wants the number of a page.  A chapter of its own is not
  -- a link to nowhere: [text](other.nw) stays text.
  Link = function(l)
    local id = l.target:match('^#(.+)$')
    if l.classes:includes('chunkref') then return raw('\\qref{' .. id .. '}') end
    if id and not ids[id] or not id and not l.target:match('^%a+:') then return l.content end
    l.content:insert(1, raw('\\qlink{'))
    l.content:insert(raw('}'))
    if id and on_page[id] and not l.classes:includes('narrow') then
      return { l, raw('\\qpage{' .. id .. '}') }
    end
    return l
  end,
}

-- The whole document, before any of it is LaTeX: which names are used where,
-- what links lead to; what is said in two lines stays with the chunk it is about,
-- and the last chunk of a chapter leaves no three lines on a page of their own.
local FEW = 150
local function ends_chapter(b)
  return not b or b.t == 'Header' and b.level == 1 or
    b.t == 'Div' and (b.classes:includes('part') or b.classes:includes('backmatter'))
end
local function survey(doc)
  local blocks = doc.blocks
  for i, b in ipairs(blocks) do
    local p = blocks[i - 1]
    if b.t == 'Div' and b.classes:includes('chunk') then
      if p and p.t == 'Para' and #pandoc.utils.stringify(p) < FEW then
        b.attributes.keep = 'with the words before'
      end
      if ends_chapter(blocks[i + 1]) then b.attributes.whole = 'on one page' end
      blocks[i] = b
    end
  end
  local function note(e) if e.identifier ~= '' then ids[e.identifier] = true end end
  local function paged(e)
    note(e)
    on_page[e.identifier] = true
  end
  pandoc.walk_block(pandoc.Div(doc.blocks), {
    Header = paged, CodeBlock = paged, Span = note,
    Div = function(d)
      note(d)
      if d.classes:includes('trial') then paged(d) end
      if d.classes:includes('idents') then
        for _, e in ipairs(d.content) do users[e.attributes.name] = words(e.attributes.uses) end
      end
    end,
  })
  pandoc.walk_block(pandoc.Div(doc.blocks), {
    Link = function(l)
      local id = l.target:match('^#(.+)$')
      if id and not ids[id] then
        io.stderr:write(('book: link to #%s leads nowhere\n'):format(id))
      end
    end,
  })
  return pandoc.Pandoc(blocks, doc.meta)
end

return {
  { Pandoc = survey },
  -- before their insides are made LaTeX
  {
    Div = function(d)
      if d.classes:includes('chunk') then return chunk(d) end
      if d.classes:includes('backmatter') then LINE = BACK_LINE end
    end,
    Table = table_looks,
  },
  looks,
}
