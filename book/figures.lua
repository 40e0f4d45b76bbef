-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Figures: code blocks of class tikz or dot, drawn. A drawing is made once,
-- and named after what it is made of: the same text is never drawn again.
--
-- Environment: BOOK is this directory, FIGS where drawings are kept.

local M = {}

local book = os.getenv('BOOK') or 'book'
local figs = os.getenv('FIGS') or 'book/out/fig'

local function exists(f)
  local h = io.open(f)
  if h then h:close() end
  return h ~= nil
end
local function spit(f, ...)
  local h = assert(io.open(f, 'w'))
  h:write(...)
  h:close()
end
local function slurp(f)
  local h = assert(io.open(f))
  local text = h:read('a')
  h:close()
  return text
end

local FONTS = '-Nfontname="Linux Biolinum O" -Nfontsize=11 -Efontname="Linux Biolinum O" ' ..
  '-Efontsize=9 -Gfontname="Linux Biolinum O" -Gmargin=0'

-- what a drawing depends on, beside its own text
local styles
local function style(kind)
  if kind ~= 'tikz' then return FONTS end
  styles = styles or slurp(book .. '/fonts.tex') .. slurp(book .. '/tikz.tex')
  return styles
end

local function run(command, b, log)
  if os.execute(command) then return end
  error(('book: figure %s does not build: see %s'):format(b.identifier, log))
end

local function draw(b, kind, base)
  os.execute('mkdir -p ' .. figs)
  if kind == 'tikz' then
    spit(base .. '.tex', '\\documentclass[tikz,border=2pt]{standalone}\n',
      '\\usepackage{fontspec}\\input{', book, '/fonts.tex}\n\\input{', book,
      '/tikz.tex}\n\\begin{document}\n', b.text, '\n\\end{document}\n')
    run(('lualatex -interaction=batchmode -halt-on-error -output-directory=%s %s.tex >/dev/null || ' ..
      '{ rm -f %s.pdf; false; }'):format(figs, base, base), b, base .. '.log')
  else
    spit(base .. '.dot', b.text)
    run(('dot -Tpdf %s -o %s.new %s.dot && mv %s.new %s.pdf')
      :format(FONTS, base, base, base, base), b, base .. '.dot')
  end
end

-- 'tikz', 'dot', or nil if this code block is no drawing
function M.kind(b)
  for _, kind in ipairs { 'tikz', 'dot' } do
    if b.classes:includes(kind) then return kind end
  end
end

-- The path of the drawing of a code block, as 'pdf' or 'svg'; made if need be.
function M.build(b, format)
  local kind = M.kind(b)
  local base = figs .. '/' .. pandoc.utils.sha1(kind .. style(kind) .. b.text)
  if not exists(base .. '.pdf') then draw(b, kind, base) end
  if format == 'svg' and not exists(base .. '.svg') then
    run(('pdftocairo -svg %s.pdf %s.new && mv %s.new %s.svg')
      :format(base, base, base, base), b, base .. '.pdf')
  end
  return base .. '.' .. format
end

return M
