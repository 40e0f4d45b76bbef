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
local function words(s)
  local t = {}
  for w in (s or ''):gmatch('%S+') do t[#t + 1] = w end
  return t
end

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
      :gsub('%.', '.\\allowbreak{}'):gsub('=', '=\\allowbreak{}')
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

local function code_lines(text, lang)
  local out = {}
  for _, line in ipairs(code.lines(text, lang)) do
    local l = {}
    for _, t in ipairs(line) do
      if t.kind == 'use' then
        l[#l + 1] = ('\\quse{%s}{%s}'):format(t.ref or '', chunk_name(t.text))
      elseif t.ref then
        l[#l + 1] = ('\\qid{%s}{%s}'):format(t.ref, escape_code(t.text))
      elseif t.kind == 'txt' or t.kind == 'id' then
        l[#l + 1] = escape_code(t.text)
      else
        l[#l + 1] = ('\\q%s{%s}'):format(t.kind, escape_code(t.text))
      end
    end
    out[#out + 1] = '\\ql{' .. table.concat(l) .. '}'
  end
  return table.concat(out, '\n')
end

local function refs(labels)
  local t = {}
  for _, l in ipairs(words(labels)) do t[#t + 1] = '\\qref{' .. l .. '}' end
  if #t < 2 then return t[1] end
  return table.concat(t, ', ', 1, #t - 1) .. ' and ' .. t[#t]
end

local function chunk(d)
  local a, foot = d.attributes, {}
  if a.prev ~= '' then foot[#foot + 1] = 'begun in ' .. refs(a.first) end
  if a.uses ~= '' then foot[#foot + 1] = 'used in ' .. refs(a.uses) end
  if a.next ~= '' then foot[#foot + 1] = 'goes on in ' .. refs(a.next) end
  return block(('\\chunk{%s}{%s}{%s}{%s}\n%s\n\\chunkdone{%s}'):format(
    d.identifier, a.num, chunk_name(a.name), a.prev ~= '' and '+' or '',
    code_lines(d.content[1].text, a.lang), table.concat(foot, '; ')))
end

local function listing(b)
  local lang = 'plain'
  for _, l in ipairs { 'c', 'asm', 'make', 'sh', 'diff' } do
    if b.classes:includes(l) then lang = l end
  end
  return block('\\begin{qconsole}\n' .. code_lines(b.text, lang) .. '\n\\end{qconsole}')
end

local function index(d)
  local o = { '\\begin{qindex}' }
  for _, e in ipairs(d.content) do
    local a, t = e.attributes, {}
    for _, w in ipairs(words(a.defs)) do t[#t + 1] = '\\textbf{\\qref{' .. w .. '}}' end
    for _, w in ipairs(words(a.uses)) do t[#t + 1] = '\\qref{' .. w .. '}' end
    local name = d.classes:includes('idents') and '\\qq{' .. escape_ident(a.name) .. '}'
      or '\\qname{' .. chunk_name(a.name) .. '}'
    o[#o + 1] = ('\\qentry{%s}{%s}'):format(name, table.concat(t, ', '))
  end
  o[#o + 1] = '\\end{qindex}'
  return block(table.concat(o, '\n'))
end

-- --- Figures ----------------------------------------------------------------------

local function figure(b)
  local path = figures.build(b, 'pdf')
  local caption = pandoc.read(b.attributes.caption or '', 'markdown').blocks[1]
  local out = pandoc.List { raw('\\begin{figure}\\centering\\qfigure{' .. path .. '}') }
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
-- for the longest word of each, the rest in proportion to what they hold.

local LINE = 86               -- characters of table text on a line

local function measure(cell, breakable)
  local text = pandoc.utils.stringify(pandoc.Div(cell.contents or cell.content))
  local longest = 0
  for w in text:gmatch('%S+') do
    local name = w:match('[_/]')
    for piece in w:gmatch(breakable and '[^_/]+[_/]?' or '.+') do
      local n = utf8.len(piece) or #piece
      if name and n > 18 then n = math.ceil(n * 0.7) end  -- may break once
      longest = math.max(longest, name and math.ceil(n * 1.1) or n)
    end
  end
  return utf8.len(text) or #text, longest
end

local function table_widths(t, breakable)
  local natural, least, n = {}, {}, #t.colspecs
  local function row(r)
    for i, cell in ipairs(r.cells) do
      local wish, need = measure(cell, breakable)
      natural[i] = math.max(natural[i] or 1, wish)
      least[i] = math.max(least[i] or 1, need)
    end
  end
  for _, r in ipairs(t.head.rows) do row(r) end
  for _, b in ipairs(t.bodies) do
    for _, r in ipairs(b.body) do row(r) end
  end
  local room, wanted, minimum = LINE - 2 * (n - 1), 0, 0
  for i = 1, n do
    least[i] = least[i] + 1
    natural[i] = math.max(natural[i] + 1, least[i])
    wanted, minimum = wanted + natural[i], minimum + least[i]
  end
  if minimum > room and not breakable then return table_widths(t, true) end
  for i = 1, n do
    local width
    if wanted <= room then
      width = nil
    elseif minimum >= room then
      width = least[i] / minimum
    else
      width = (least[i] + (natural[i] - least[i]) * (room - minimum) / (wanted - minimum)) / room
    end
    t.colspecs[i] = { t.colspecs[i][1], width }
  end
  return t
end

-- --- The filter ---------------------------------------------------------------------

local BOXES = { goal = 'qgoal', trial = 'qtrial', aside = 'qaside', hint = 'qhint' }

local looks = {
  Div = function(d)
    if d.classes:includes('nwindex') then return index(d) end
    if d.classes:includes('part') then
      return block(('\\qpart{%s}{%s}'):format(d.attributes.number, d.attributes.title))
    end
    if d.classes:includes('backmatter') then return block('\\qback') end
    for class, environment in pairs(BOXES) do
      if d.classes:includes(class) then
        local b = pandoc.List { block('\\begin{' .. environment .. '}') }
        b:extend(d.content)
        b:insert(block('\\end{' .. environment .. '}'))
        return b
      end
    end
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
  -- "In which ..." is an opening, any other quotation is one
  BlockQuote = function(q)
    local first = q.content[1]
    if first and pandoc.utils.stringify(first):match('^In which') then
      local b = pandoc.List { block('\\begin{qinwhich}') }
      b:extend(q.content)
      b:insert(block('\\end{qinwhich}'))
      return b
    end
  end,
  -- a chapter of its own is not a link to nowhere: [text](other.nw) stays text
  Link = function(l)
    if not l.target:match('^%a+:') and not l.target:match('^#') then return l.content end
  end,
}

local function check_links(doc)
  local ids = {}
  local function note(e) if e.identifier ~= '' then ids[e.identifier] = true end end
  pandoc.walk_block(pandoc.Div(doc.blocks), {
    Header = note, Div = note, CodeBlock = note, Span = note, Link = function(_) end,
  })
  pandoc.walk_block(pandoc.Div(doc.blocks), {
    Link = function(l)
      local id = l.target:match('^#(.+)$')
      if id and not ids[id] then
        io.stderr:write(('book: link to #%s leads nowhere\n'):format(id))
      end
    end,
  })
end

return {
  { Pandoc = check_links },
  -- before their insides are made LaTeX
  {
    Div = function(d) if d.classes:includes('chunk') then return chunk(d) end end,
    Table = function(t) return table_widths(t) end,
  },
  looks,
}
