-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- A pandoc filter: the document of noweb.lua, or one part of it, for a
-- terminal.  What comes out is one raw block, for pandoc's writer "plain".
--
-- Metadata: part (its title; none: all parts), columns, colour and unicode
-- (if not empty).
--
-- It could be a writer.  But those of this pandoc are called for each element,
-- from the inside out, with strings; whoever draws boxes has to know the room
-- first, and whoever wants one part has no use for the other six.
--
-- Environment: BOOK is this directory.

package.path = (os.getenv('BOOK') or 'book') .. '/?.lua;' .. package.path
local code = require 'code'

local columns, width, colour, unicode   -- width: of prose
local number = {}             -- label of a chunk -> S7

-- --- Characters -----------------------------------------------------------------

local ASCII = {
  ['“'] = '"', ['”'] = '"', ['‘'] = "'", ['’'] = "'", ['–'] = '-', ['—'] = '--',
  ['…'] = '...', ['⟨'] = '<<', ['⟩'] = '>>', ['≡'] = '=', ['•'] = '*', ['×'] = 'x',
  ['→'] = '->', ['←'] = '<-', ['↔'] = '<->', ['⇒'] = '=>', ['≥'] = '>=', ['≤'] = '<=',
  ['≠'] = '!=', ['·'] = ',', ['µ'] = 'u', ['\u{A0}'] = '\u{A0}', ['−'] = '-', ['½'] = '1/2',
  ['─'] = '-', ['│'] = '|', ['┊'] = ':', ['═'] = '=', ['┌'] = '+', ['┐'] = '+', ['└'] = '+',
  ['┘'] = '+', ['├'] = '+', ['┤'] = '+', ['┬'] = '+', ['┴'] = '+', ['┼'] = '+', ['╭'] = '+',
  ['╮'] = '+', ['╰'] = '+', ['╯'] = '+', ['┃'] = '|', ['━'] = '=', ['↪'] = '\\', ['☐'] = '[ ]',
}

-- What a terminal could take for a command does not belong to the text.
local function text(s)
  if s:find('%c') then s = s:gsub('%c', '') end
  if not unicode and s:find('[\x80-\xFF]') then
    s = s:gsub('[\xC2-\xF4][\x80-\xBF]*', function(c)
      return ASCII[c] or '?'
    end)
  end
  return s
end

local function size(s) return utf8.len(s) or #s end
local function rule(c, n) return text(c):rep(math.max(n, 0)) end

-- --- Styles: what stands between ESC [ and m ---------------------------------------

local STYLES = {
  part = '1;35', chapter = '1;36', section = '1;36', subsection = '1',
  emph = '3', strong = '1', code = '33', link = '4', note = '36', dim = '2',
  chunk = '1;36', number = '1;36', frame = '36', trial = '1;33', command = '1',
  com = '2', str = '33', num = '33', kw = '35', cpp = '35', type = '32', use = '36',
}

local function both(a, b)
  if a and b then return a .. ';' .. b end
  return a or b
end

-- A line is a list of pieces { text, style }, and knows how wide it is.
local function line(...)
  local l = { w = 0 }
  for _, p in ipairs { ... } do
    if p[1] ~= '' then
      l[#l + 1] = p
      l.w = l.w + size(p[1])
    end
  end
  return l
end

local function join(...)
  local l = { w = 0 }
  for _, part in ipairs { ... } do
    for _, p in ipairs(part) do l[#l + 1] = p end
    l.w = l.w + part.w
  end
  return l
end

local function tell(l)
  local out, style, run = {}, nil, {}
  local function flush()
    local s = table.concat(run):gsub('\u{A0}', ' ')
    if s ~= '' then
      out[#out + 1] = colour and style and '\27[' .. style .. 'm' .. s .. '\27[0m' or s
    end
    run = {}
  end
  for _, p in ipairs(l) do
    if p[2] ~= style then
      flush()
      style = p[2]
    end
    run[#run + 1] = p[1]
  end
  flush()
  out = table.concat(out)
  return colour and out or (out:gsub(' +$', ''))
end

-- --- Words and lines -----------------------------------------------------------------
--
-- Inlines become a list of words.  A word is a list of pieces with no place to
-- break in it; the word false is the end of a line.

local Words = {}
Words.__index = Words
local function words() return setmetatable({}, Words) end

function Words:put(s, style)
  s = text(s)
  if s == '' then return end
  local w = self.open
  if not w then
    w = { w = 0 }
    self[#self + 1] = w
    self.open = w
  end
  w[#w + 1] = { s, style }
  w.w = w.w + size(s)
end
function Words:space() self.open = nil end
function Words:newline()
  self[#self + 1] = false
  self.open = nil
end
-- text with blanks, at each of which a line may end
function Words:say(s, style)
  for blank, w in s:gmatch('(%s*)(%S*)') do
    if blank ~= '' then self:space() end
    self:put(w, style)
  end
end

-- Where to cut what is too long: behind one of these signs, or anywhere.
local function cut(word, room, signs)
  local head, tail, seen = { w = 0 }, { w = 0 }, {}
  for i, p in ipairs(word) do seen[i] = p[1] end
  seen = table.concat(seen)
  local at = utf8.offset(seen, room + 1)
  local nice = seen:sub(1, at - 1):match('^.*[' .. signs .. ']()')
  if nice and nice > at // 2 then at = nice end
  local left = at - 1         -- bytes
  for _, p in ipairs(word) do
    local n = math.max(math.min(left, #p[1]), 0)
    if n > 0 then head[#head + 1] = { p[1]:sub(1, n), p[2] } end
    if n < #p[1] then tail[#tail + 1] = { p[1]:sub(n + 1), p[2] } end
    left = left - n
  end
  for _, t in ipairs { head, tail } do
    for _, p in ipairs(t) do t.w = t.w + size(p[1]) end
  end
  return head, tail
end

local function wrap(list, room)
  room = math.max(room, 4)
  local lines, l = {}, { w = 0 }
  local function finish()
    lines[#lines + 1] = l
    l = { w = 0 }
  end
  for _, w in ipairs(list) do
    if not w then
      finish()
    else
      if l.w > 0 and l.w + 1 + w.w > room then finish() end
      if l.w > 0 then
        -- a blank between two words of one style is of that style too
        local a, b = l[#l][2], w[1][2]
        l[#l + 1] = { ' ', a == b and a or nil }
        l.w = l.w + 1
      end
      while l.w + w.w > room do
        local head
        if l.w > room - 2 then finish() end
        head, w = cut(w, room - l.w, '_/.,:=(-')
        l = join(l, head)
        finish()
      end
      for _, p in ipairs(w) do l[#l + 1] = p end
      l.w = l.w + w.w
    end
  end
  if l.w > 0 or #lines == 0 then finish() end
  return lines
end

-- --- Inlines -----------------------------------------------------------------------------

local notes = {}              -- of this section, not yet printed
local cited = {}              -- keys of the sources named in this part

local function chunk_name(n) return (n:gsub('%[%[(.-)%]%]', '%1')) end
local function reference(name, ref)
  return '⟨' .. chunk_name(name) .. (number[ref] and ' ' .. number[ref] or '') .. '⟩'
end

local inlines
local INLINE = {
  -- (what was computed may have blanks in it)
  Str = function(o, e, s)
    if e.text:find ' ' then o:say(e.text, s) else o:put(e.text, s) end
  end,
  Space = function(o) o:space() end,
  SoftBreak = function(o) o:space() end,
  LineBreak = function(o) o:newline() end,
  Emph = function(o, e, s) inlines(o, e.content, both(s, STYLES.emph)) end,
  Strong = function(o, e, s) inlines(o, e.content, both(s, STYLES.strong)) end,
  Underline = function(o, e, s) inlines(o, e.content, both(s, '4')) end,
  Quoted = function(o, e, s)
    local double = e.quotetype == 'DoubleQuote'
    o:put(double and '“' or '‘', s)
    inlines(o, e.content, s)
    o:put(double and '”' or '’', s)
  end,
  Code = function(o, e, s)
    local style = both(s, STYLES.code)
    if e.classes:includes('chunkname') then
      o:say(reference(e.text, e.attributes.ref), both(s, STYLES.use))
    elseif #e.text > 30 then
      o:say(e.text, style)
    else
      o:put((e.text:gsub('%s', '\u{A0}')), style)
    end
  end,
  Link = function(o, e, s)
    local id = e.target:match('^#(.+)$')
    inlines(o, e.content, both(s, STYLES.link))
    if number[id] then
      o:space()
      o:put('[' .. number[id] .. ']', both(s, STYLES.number))
    elseif e.target:match('^%a+:') and pandoc.utils.stringify(e) ~= e.target:gsub('^mailto:', '') then
      o:space()
      o:put('<' .. e.target .. '>', s)
    end
  end,
  Note = function(o, e, s)
    notes[#notes + 1] = e.content
    o:put('[' .. #notes .. ']', both(s, STYLES.note))
  end,
  Cite = function(o, e, s)
    for _, c in ipairs(e.citations) do cited[c.id] = true end
    inlines(o, e.content, s)
  end,
  Image = function(o, e, s)
    o:put('[')
    o:say(e.attributes.alt or pandoc.utils.stringify(e), s)
    o:put(']')
  end,
  Math = function(o, e, s) o:say(e.text, s) end,
  RawInline = function() end,
  Superscript = function(o, e, s)
    o:put('^', s)
    inlines(o, e.content, s)
  end,
}
function inlines(o, list, style)
  for _, e in ipairs(list) do
    local f = INLINE[e.t]
    if f then f(o, e, style) else inlines(o, e.content, style) end
  end
  return o
end

-- --- Frames ---------------------------------------------------------------------------------

local function pad(l, n) return join(l, line { (' '):rep(math.max(n - l.w, 0)) }) end

-- A box of that width, with a title in its upper edge.
local function frame(title, lines, room, style, corners)
  local c = corners or { '╭', '╮', '╰', '╯' }
  local out = {}
  local heading = wrap(title, room - 6)
  local top = heading[1]
  for i, h in ipairs(heading) do
    -- a title of more than one line goes on inside
    if i == 1 then
      out[1] = join(line { text(c[1] .. '─ '), style }, top,
        line { text ' ' .. rule('─', room - top.w - 5) .. text(c[2]), style })
    else
      table.insert(lines, i - 1, h)
    end
  end
  for _, l in ipairs(lines) do
    out[#out + 1] = join(line({ text '│', style }, { ' ' }), pad(l, room - 4),
      line({ ' ' }, { text '│', style }))
  end
  out[#out + 1] = line { text(c[3]) .. rule('─', room - 2) .. text(c[4]), style }
  return out
end

local function title(s, style)
  local o = words()
  o:say(s, style)
  return o
end

-- --- Code -------------------------------------------------------------------------------------

-- Lines of code keep their form; what does not fit goes on behind a sign.
local function code_lines(s, lang, gutter, room)
  local out = {}
  local inside = room - size(gutter)
  for _, tokens in ipairs(code.lines(s, lang)) do
    local l = { w = 0 }
    for i, t in ipairs(tokens) do
      local piece = text(t.kind == 'use' and reference(t.text, t.ref) or t.text)
      l[i] = { piece, STYLES[t.kind] }
      l.w = l.w + size(piece)
    end
    local mark = gutter
    repeat
      local head, tail = l, nil
      if l.w > inside then head, tail = cut(l, inside, ' ,(') end
      out[#out + 1] = join(line { text(mark), STYLES.dim }, head)
      l, mark = tail, gutter:gsub(' $', '') .. '↪'
    until not l
  end
  return out
end

local function list_of(labels)
  local t = {}
  for l in labels:gmatch('%S+') do t[#t + 1] = number[l] end
  if #t < 2 then return t[1] end
  return table.concat(t, ', ', 1, #t - 1) .. ' and ' .. t[#t]
end

local function chunk(d, room)
  local a, foot = d.attributes, {}
  local wide = math.min(columns, math.max(room, 76))
  local out = wrap(title('⟨' .. chunk_name(a.name) .. '⟩' .. (a.prev ~= '' and '+' or '') .. '≡',
    STYLES.chunk), wide - #a.num - 1)
  out[1] = join(pad(out[1], wide - #a.num), line { a.num, STYLES.number })
  for _, l in ipairs(code_lines(d.content[1].text, a.lang, '│ ', columns)) do out[#out + 1] = l end
  if a.prev ~= '' then foot[#foot + 1] = 'begun in ' .. list_of(a.first) end
  if a.uses ~= '' then foot[#foot + 1] = 'used in ' .. list_of(a.uses) end
  if a.next ~= '' then foot[#foot + 1] = 'goes on in ' .. list_of(a.next) end
  if #foot > 0 then
    for _, l in ipairs(wrap(title(table.concat(foot, '; '), STYLES.dim), wide)) do
      out[#out + 1] = join(line { (' '):rep(wide - l.w) }, l)
    end
  end
  return out
end

-- what a person types is told from what the machine answers
local function console(b, room)
  local lang = 'plain'
  for _, l in ipairs { 'c', 'asm', 'make', 'sh', 'diff' } do
    if b.classes:includes(l) then lang = l end
  end
  local out = code_lines(b.text, lang, '┊ ', columns)
  for _, l in ipairs(out) do
    local s = l[2] and l[2][1] or ''
    if s:match('^%$ ') or s:match('^%(gdb%) ') or s:match('^%S+[#$] ') then
      l[2] = { s, STYLES.command }
    end
  end
  return out
end

-- --- Tables ------------------------------------------------------------------------------------

local function cell_words(cell)
  local o = words()
  for i, b in ipairs(cell.contents or cell.content) do
    if i > 1 then o:newline() end
    inlines(o, b.content or {})
  end
  return o
end

local function rows_of(t)
  local head, body = {}, {}
  local function read(r, into)
    local row = {}
    for i, c in ipairs(r.cells) do row[i] = cell_words(c) end
    into[#into + 1] = row
  end
  for _, r in ipairs(t.head.rows) do read(r, head) end
  for _, b in ipairs(t.bodies) do
    for _, r in ipairs(b.body) do read(r, body) end
  end
  for _, r in ipairs(t.foot.rows) do read(r, body) end
  return head, body
end

local function table_widths(all, n, room)
  local natural, least, wanted, minimum, widest = {}, {}, 0, 0, {}
  for i = 1, n do natural[i], least[i] = 1, 1 end
  for _, row in ipairs(all) do
    for i, cell in ipairs(row) do
      local total = -1
      for _, w in ipairs(cell) do
        if w then
          total = total + 1 + w.w
          least[i] = math.max(least[i], w.w)
        else
          natural[i], total = math.max(natural[i], total), -1
        end
      end
      natural[i] = math.max(natural[i], total)
    end
  end
  for i = 1, n do wanted, minimum = wanted + natural[i], minimum + least[i] end
  if wanted <= room then return natural, true end
  if minimum > room then
    -- long words are cut; the longest are cut first
    local limit = room
    repeat
      limit, minimum = limit - 1, 0
      for i = 1, n do minimum = minimum + math.min(least[i], limit) end
    until minimum <= room or limit < 8
    if minimum > room then return nil end
    for i = 1, n do least[i] = math.min(least[i], limit) end
  end
  local spare, slack = room - minimum, 0
  for i = 1, n do slack = slack + math.max(natural[i] - least[i], 0) end
  for i = 1, n do
    local wish = math.max(natural[i] - least[i], 0)
    widest[i] = least[i] + (slack > 0 and math.floor(wish * spare / slack) or 0)
  end
  return widest, false
end

local function draw_table(t, room)
  local head, body = rows_of(t)
  local n, all, out = #t.colspecs, {}, {}
  for _, r in ipairs(head) do all[#all + 1] = r end
  for _, r in ipairs(body) do all[#all + 1] = r end
  local widths, fits = table_widths(all, n, room - 3 * n - 1)
  local bold = function(cell)
    for _, w in ipairs(cell) do
      for _, p in ipairs(w or {}) do p[2] = both(p[2], STYLES.strong) end
    end
  end
  for _, r in ipairs(head) do for _, c in ipairs(r) do bold(c) end end

  if not widths then
    -- no room for columns: one entry under the other
    for _, r in ipairs(body) do
      for i, c in ipairs(r) do
        local o = words()
        for _, w in ipairs(head[1] and head[1][i] or {}) do o[#o + 1] = w end
        if #o > 0 and o[#o] then
          o.open = o[#o]
          o:put(':', STYLES.strong)
        end
        for _, w in ipairs(c) do o[#o + 1] = w end
        for k, l in ipairs(wrap(o, room - 4)) do
          out[#out + 1] = join(line { (i == 1 and k == 1) and text '• ' or k == 1 and '  ' or '    ' }, l)
        end
      end
    end
    return out
  end

  local function edge(a, b, c, d)
    local s = {}
    for i = 1, n do s[i] = rule(d or '─', widths[i] + 2) end
    return line { text(a) .. table.concat(s, text(b)) .. text(c), STYLES.dim }
  end
  local function row(r)
    local cells, high = {}, 1
    for i = 1, n do
      cells[i] = wrap(r[i] or words(), widths[i])
      high = math.max(high, #cells[i])
    end
    for k = 1, high do
      local l = line { text '│', STYLES.dim }
      for i = 1, n do
        local c = cells[i][k] or line()
        local align, room = t.colspecs[i][1], widths[i] - c.w
        local before = align == 'AlignRight' and room or align == 'AlignCenter' and room // 2 or 0
        l = join(l, line { (' '):rep(before + 1) }, c,
          line({ (' '):rep(room - before + 1) }, { text '│', STYLES.dim }))
      end
      out[#out + 1] = l
    end
  end
  out[1] = edge('┌', '┬', '┐')
  local headed
  for _, r in ipairs(head) do
    for _, c in ipairs(r) do headed = headed or #c > 0 end
    if headed then row(r) end
  end
  if headed then out[#out + 1] = edge('├', '┼', '┤') end
  -- where many cells have several lines, one must see where a row ends
  local high = 0
  for _, r in ipairs(fits and {} or body) do
    for i = 1, n do
      if #wrap(r[i] or words(), widths[i]) > 1 then
        high = high + 1
        break
      end
    end
  end
  for i, r in ipairs(body) do
    if i > 1 and 3 * high > #body then out[#out + 1] = edge('├', '┼', '┤') end
    row(r)
  end
  out[#out + 1] = edge('└', '┴', '┘')
  return out
end

-- --- Blocks -------------------------------------------------------------------------------------

local blocks
local BOXES = { goal = 'Goal', trial = 'Trial', aside = 'Aside', hint = 'Hint' }

local function indent(lines, first, rest)
  for i, l in ipairs(lines) do lines[i] = join(line { i == 1 and text(first) or rest }, l) end
  return lines
end

local function items(list, room, mark)
  local out, loose = {}, false
  for _, item in ipairs(list) do
    for _, b in ipairs(item) do loose = loose or b.t == 'Para' end
  end
  for i, item in ipairs(list) do
    local m = mark(i)
    if i > 1 and loose then out[#out + 1] = line() end
    for _, l in ipairs(indent(blocks(item, room - size(text(m))), m, (' '):rep(size(text(m))))) do
      out[#out + 1] = l
    end
  end
  return out
end

local function trial_title(d)
  local a, more = d.attributes, {}
  if a.minutes then more[#more + 1] = a.minutes .. ' minutes' end
  if a.level then more[#more + 1] = 'level ' .. a.level end
  return 'Trial' .. (a.title and ': ' .. pandoc.utils.stringify(pandoc.read(a.title, 'markdown')) or '') ..
    (#more > 0 and ' (' .. table.concat(more, ', ') .. ')' or '')
end

local function flush_notes(room)
  local out = {}
  -- (a note may have notes)
  local i = 1
  while notes[i] do
    local mark = '[' .. i .. '] '
    for k, l in ipairs(blocks(notes[i], room - #mark)) do
      out[#out + 1] = join(line { k == 1 and mark or (' '):rep(#mark), STYLES.note }, l)
    end
    i = i + 1
  end
  notes = {}
  return out
end

local BLOCK
BLOCK = {
  Para = function(b, room) return wrap(inlines(words(), b.content), room) end,
  Plain = function(b, room) return BLOCK.Para(b, room) end,
  Header = function(b, room)
    local style = b.level == 2 and STYLES.section or STYLES.subsection
    local out = wrap(inlines(words(), b.content, style), room)
    if b.level == 2 then
      out[#out + 1] = line { rule('─', out[1].w), STYLES.dim }
    end
    return out
  end,
  BlockQuote = function(b, room)
    return indent(blocks(b.content, room - 8), '    ', '    ')
  end,
  CodeBlock = function(b, room)
    if not (b.classes:includes('tikz') or b.classes:includes('dot')) then return console(b, room) end
    local alt = wrap(title(b.attributes.alt or 'a drawing'), room - 4)
    local out = frame(title 'Figure', alt, room, STYLES.frame, { '┌', '┐', '└', '┘' })
    local caption = pandoc.read(b.attributes.caption or '', 'markdown').blocks[1]
    if caption then
      for _, l in ipairs(wrap(inlines(words(), caption.content, STYLES.emph), room - 2)) do
        out[#out + 1] = join(line { '  ' }, l)
      end
    end
    return out
  end,
  BulletList = function(b, room) return items(b.content, room, function() return '• ' end) end,
  OrderedList = function(b, room)
    local start = b.start or 1
    return items(b.content, room, function(i) return ('%2d. '):format(i + start - 1) end)
  end,
  DefinitionList = function(b, room)
    local out = {}
    for i, item in ipairs(b.content) do
      if i > 1 then out[#out + 1] = line() end
      for _, l in ipairs(wrap(inlines(words(), item[1], STYLES.strong), room)) do out[#out + 1] = l end
      for _, d in ipairs(item[2]) do
        for _, l in ipairs(indent(blocks(d, room - 4), '    ', '    ')) do out[#out + 1] = l end
      end
    end
    return out
  end,
  LineBlock = function(b, room)
    local out = {}
    for _, l in ipairs(b.content) do
      for _, w in ipairs(wrap(inlines(words(), l), room)) do out[#out + 1] = w end
    end
    return out
  end,
  HorizontalRule = function(_, room) return { line { rule('─', room), STYLES.dim } } end,
  RawBlock = function() return {} end,
  Null = function() return {} end,
  Table = function(b, room)
    local out = draw_table(b, room)
    local caption = b.caption and b.caption.long or {}
    for _, l in ipairs(#caption > 0 and blocks(caption, room) or {}) do out[#out + 1] = l end
    return out
  end,
  Div = function(b, room)
    if b.classes:includes('chunk') then return chunk(b, room) end
    for class, name in pairs(BOXES) do
      if b.classes:includes(class) then
        local trial = class == 'trial'
        local inside = blocks(b.content, room - 4)
        return frame(title(trial and trial_title(b) or name, trial and STYLES.trial or STYLES.strong),
          inside, room, trial and STYLES.trial or STYLES.frame)
      end
    end
    return blocks(b.content, room)
  end,
}

function blocks(list, room)
  local out = {}
  for _, b in ipairs(list) do
    local lines = BLOCK[b.t](b, room)
    if #lines > 0 then
      if #out > 0 and b.t ~= 'Plain' then out[#out + 1] = line() end
      for _, l in ipairs(lines) do out[#out + 1] = l end
    end
  end
  return out
end

-- --- The document ---------------------------------------------------------------------------------

-- the parts, each with its chapters; the trials; the sources
local function survey(doc)
  local parts, trials, sources, part, chapter = {}, {}, {}, nil, nil
  local function look(list)
    for _, b in ipairs(list) do
      if b.t == 'Header' and b.level == 1 and part then
        chapter = { title = pandoc.utils.stringify(b), header = b, blocks = {}, part = part }
        table.insert(part.chapters, chapter)
      elseif b.t == 'Div' then
        if b.classes:includes('chunk') then
          number[b.identifier] = b.attributes.num
        elseif b.classes:includes('part') then
          part = { title = b.attributes.title, number = b.attributes.number, chapters = {} }
          parts[#parts + 1], chapter = part, nil
        elseif b.classes:includes('backmatter') then
          part, chapter = nil, nil
        elseif b.classes:includes('trial') and chapter then
          trials[#trials + 1] = { div = b, chapter = chapter }
        elseif b.identifier:match('^ref%-') then
          sources[b.identifier:sub(5)] = b
        end
        look(b.content)
      end
    end
  end
  for _, b in ipairs(doc.blocks) do
    look { b }
    if chapter and b.t ~= 'Div' and b ~= chapter.header or
      chapter and b.t == 'Div' and not b.classes:includes('part') then
      table.insert(chapter.blocks, b)
    end
  end
  return parts, trials, sources
end

local output = {}
local function show(lines)
  for _, l in ipairs(lines) do output[#output + 1] = tell(l) end
  if #lines > 0 then output[#output + 1] = '' end
end

local function show_part(p, sources)
  cited = {}
  show { line { rule('━', width), STYLES.part } }
  output[#output] = nil
  show(wrap(title(('Part %s: %s'):format(p.number, p.title), STYLES.part), width))
  if #p.chapters > 1 then
    local o = {}
    for i, c in ipairs(p.chapters) do
      for _, l in ipairs(indent(wrap(title(c.title), width - 4), ('%2d  '):format(i), '    ')) do
        o[#o + 1] = l
      end
    end
    show(o)
  end
  for i, c in ipairs(p.chapters) do
    local where = ('%s %d of %d'):format(p.title, i, #p.chapters)
    local name = inlines(words(), c.header.content, STYLES.chapter)
    show { line { rule('═', width), STYLES.chapter } }
    output[#output] = nil
    local lines = wrap(name, width - #where - 2)
    lines[1] = join(pad(lines[1], width - #where), line { where, STYLES.dim })
    show(lines)
    for _, b in ipairs(c.blocks) do
      if b.t == 'Header' then show(flush_notes(width)) end
      show(BLOCK[b.t](b, width))
    end
    show(flush_notes(width))
  end
  local refs = {}
  for key in pairs(cited) do refs[#refs + 1] = sources[key] and key or nil end
  table.sort(refs)
  if #refs > 0 then show { line { 'Sources named in this part', STYLES.section } } end
  for _, key in ipairs(refs) do show(indent(blocks(sources[key].content, width - 4), '    ', '    ')) end
end

-- What is still between the reader and the beer.
local function show_beer(trials)
  local function say(s) show(wrap(title(s), width)) end
  show { line { rule('━', width), STYLES.part } }
  output[#output] = nil
  show { line { 'Between you and the beer', STYLES.part } }
  if #trials == 0 then
    say 'All seven parts lie behind you, and there are no trials in them: the beer is yours.'
    return
  end
  say(('All seven parts lie behind you if you have read this far, and so do the lines of code. ' ..
    'What is left is %s, each in the chapter where its question arises:'):format(
    #trials == 1 and 'one trial' or #trials .. ' trials'))
  local lines, chapter = {}, nil
  for _, t in ipairs(trials) do
    if t.chapter ~= chapter then
      chapter = t.chapter
      for _, l in ipairs(wrap(title(chapter.part.title .. ': ' .. chapter.title, STYLES.strong), width)) do
        lines[#lines + 1] = l
      end
    end
    local name = trial_title(t.div):gsub('^Trial:? ?', '')
    if name == '' or name:match('^%(') then
      -- one without a title is known by its first words
      local first = pandoc.utils.stringify(t.div):sub(1, 48):gsub('%s%S*$', '')
      name = first .. ' … ' .. name
    end
    for _, l in ipairs(indent(wrap(title(name), width - 6), '  ☐ ', '    ')) do lines[#lines + 1] = l end
  end
  show(lines)
  say('How to tell that you have passed: a trial that asks for code is passed when the code is in ' ..
    'the quest file of its chapter, make lint is content with it, make test says PASS, and a Guest ' ..
    'does what the trial says (make run). One that asks for an answer is passed when you have ' ..
    'measured it and would bet your beer on it.')
  say('Nobody keeps a list of what you have passed, and nothing on this machine does: the boxes are ' ..
    'yours to tick. When all are ticked, pour.')
end

local function terminal(doc)
  local function given(name)
    local value = pandoc.utils.stringify(doc.meta[name] or '')
    return value ~= '' and value or nil
  end
  columns = math.max(tonumber(given 'columns') or 80, 20)
  width = math.min(columns, 88)
  colour, unicode = given 'colour', given 'unicode'
  local part = given 'part'
  local parts, trials, sources = survey(doc)
  local found
  for _, p in ipairs(parts) do
    if not part or p.title == part then
      show_part(p, sources)
      found = true
    end
  end
  if not found then error('there is no part ' .. tostring(part)) end
  if not part then show_beer(trials) end
  return pandoc.Pandoc { pandoc.RawBlock('plain', table.concat(output, '\n')) }
end

return { { Pandoc = terminal } }
