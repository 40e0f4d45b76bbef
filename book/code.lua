-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- Splits the code of a chunk into lines of tokens { kind, text, ref }.
-- Kinds: com(ment) str(ing) num(ber) kw (keyword) type cpp (directive)
-- id (a name of the index) use (a chunk) txt (all else).

local M = {}

-- the labels or names in an attribute
function M.words(s)
  local t = {}
  for w in (s or ''):gmatch('%S+') do t[#t + 1] = w end
  return t
end

local function set(words)
  local t = {}
  for w in words:gmatch('%S+') do t[w] = true end
  return t
end

local LANG = {
  c = {
    kw = set [[if else for while do switch case default break continue return
      goto sizeof struct union enum typedef static extern inline const volatile
      register asm __asm__ __attribute__ _Static_assert _Atomic fallthrough
      __init __exit __user __iomem __packed __always_inline noinstr]],
    type = set [[void char short int long unsigned signed bool float double u8
      u16 u32 u64 s8 s16 s32 s64 __u8 __u16 __u32 __u64 __s8 __s16 __s32 __s64
      __le16 __le32 __le64 uint8_t uint16_t uint32_t uint64_t int8_t int16_t
      int32_t int64_t uintptr_t size_t ssize_t off_t pid_t loff_t gpa_t gva_t
      hpa_t gfn_t]],
    line = '//', cpp = true, block = true, quote = true,
  },
  asm = { kw = {}, type = {}, line = '#', cpp = true, block = true, asm = true },
  make = {
    kw = set 'ifeq ifneq ifdef ifndef else endif include config bool tristate depends select help def_bool',
    type = {}, line = '#',
  },
  sh = { kw = set 'if then else elif fi for while do done case esac in', type = {}, line = '#' },
  diff = { kw = {}, type = {}, diff = true },
  plain = { kw = {}, type = {} },
}

-- Tabs become blanks by real columns.  What encloses references becomes bytes
-- that do not occur in text: 1 label 2 chunk 3, and 4 label 2 identifier 3.
local function expand(s)
  s = s:gsub('\u{E000}', '\1'):gsub('\u{E001}', '\2'):gsub('\u{E002}', '\3'):gsub('\u{E003}', '\4')
  local out, col, label = {}, 0, false
  for c in s:gmatch(utf8.charpattern) do
    if c == '\1' or c == '\4' then label = true
    elseif c == '\2' then label = false
    elseif c == '\3' or label then -- no width
    elseif c == '\n' then col = 0
    elseif c == '\t' then
      c = (' '):rep(8 - col % 8)
      col = col + #c
    else col = col + 1
    end
    out[#out + 1] = c
  end
  return table.concat(out)
end

local DIFF = { ['+'] = 'type', ['-'] = 'kw', ['@'] = 'com' }

function M.lines(code, lang)
  local L = LANG[lang] or LANG.plain
  local s, p = expand(code), 1
  local lines, cur = {}, {}
  local comment = nil           -- nil, 'block' or 'line'
  local bol = true              -- nothing but blanks on the line so far

  local function put(kind, text, ref)
    local last = cur[#cur]
    if last and last.kind == kind and not ref and not last.ref then
      last.text = last.text .. text
    elseif text ~= '' then
      cur[#cur + 1] = { kind = kind, text = text, ref = ref }
    end
  end
  local function take(pattern)
    local t = s:match('^' .. pattern, p)
    if t then p = p + #t end
    return t
  end

  while p <= #s do
    local c = s:sub(p, p)
    local stop = s:find('[\n\1\4]', p) or #s + 1
    if c == '\n' then
      lines[#lines + 1], cur, bol = cur, {}, true
      if comment == 'line' then comment = nil end
      p = p + 1
    elseif c == '\1' or c == '\4' then
      local ref, name = s:match('^.([^\2]*)\2([^\3]*)\3', p)
      p = p + #ref + #name + 3
      put(c == '\1' and 'use' or comment and 'com' or 'id', name, ref ~= '' and ref or nil)
      bol = false
    elseif comment == 'block' then
      local close = s:find('*/', p, true)
      if close and close < stop then
        stop, comment = close + 2, nil
      end
      put('com', s:sub(p, stop - 1))
      p = stop
    elseif comment == 'line' then
      put('com', s:sub(p, stop - 1))
      p = stop
    elseif L.diff then
      put(bol and DIFF[c] or 'txt', s:sub(p, stop - 1))
      p = stop
    elseif L.block and s:sub(p, p + 1) == '/*' then
      comment = 'block'
      put('com', '/*')
      p = p + 2
    elseif L.cpp and bol and s:match('^%s*#%s*%a+', p) then
      put('cpp', take('%s*#%s*%a+'))
      bol = false
    elseif L.line and s:sub(p, p + #L.line - 1) == L.line then
      comment = 'line'
    elseif (L.quote or L.asm) and c == '"' then
      local t = take('"[^"\n]*"?')
      put('str', (t:gsub('[\1\4][^\2]*\2([^\3]*)\3', '%1')))
      bol = false
    elseif L.quote and s:match("^'\\?[^'\n\1\4]'", p) then
      put('str', take("'\\?[^'\n]'"))
      bol = false
    elseif c:match('%d') then
      put('num', take('%w+'))
      bol = false
    elseif L.asm and c == '%' and s:match('^%%%a', p) then
      put('type', take('%%%w+'))
      bol = false
    elseif L.asm and c == '.' and s:match('^%.%a', p) then
      put('kw', take('%.[%w_]+'))
      bol = false
    elseif c:match('[%a_]') then
      local t = take('[%w_]+')
      local kind = L.kw[t] and 'kw' or L.type[t] and 'type' or 'txt'
      if L.asm and bol and s:sub(p, p) ~= ':' then kind = 'kw' end
      put(kind, t)
      bol = false
    else
      local t = s:match('^' .. utf8.charpattern, p)
      p = p + #t
      put('txt', t)
      if not t:match('%s') then bol = false end
    end
  end
  lines[#lines + 1] = cur
  return lines
end

return M
