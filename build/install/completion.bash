# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of lguest's command line in bash. What there is to complete is
# asked of lguest itself, so that it never lags behind.

_lguest() {
	local cur prev words cword i
	_init_completion -n = || return

	if [ "$cword" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(lguest help 2> /dev/null |
			sed -n 's/^  \([a-z]\{2,\}\) .*/\1/p')" -- "$cur")
		return
	fi
	case ${words[1]} in
	run) ;;
	help|version|list) return ;;
	attach)
		_filedir
		mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -W \
			"$(lguest list 2> /dev/null | sed '1d; s/ .*//')" -- "$cur")
		return
		;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "$(lguest list 2> /dev/null |
			sed '1d; s/ .*//')" -- "$cur")
		return
		;;
	esac
	for ((i = 2; i < cword; i++)); do
		if [ "${words[i]}" = -- ]; then
			_command_offset $((i + 1))
			return
		fi
	done
	case $prev in
	--kernel|--initrd|--config)
		_filedir
		return
		;;
	--root)
		_filedir -d
		return
		;;
	--sandbox)
		mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur")
		return
		;;
	--append|--memory|--vcpus|--name) return ;;
	esac
	if [[ $cur != -* && $prev == --* ]] && lguest run --help |
		grep -q -- "^  $prev SETTINGS"; then
		_lguest_settings "$prev"
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$(lguest run --help 2> /dev/null |
		sed -n 's/^  \(--[a-z-]*\).*/\1/p')" -- "$cur")
}

# The settings of a device: files for the first, keys after a comma.
_lguest_settings() {
	local before=${cur%"${cur##*,}"} keys
	keys=$(lguest run --help | awk -v option="$1" '
		/^  --/ { on = $1 == option }
		/^    [a-z]/ && on { sub(/=.*/, "=", $1); print $1 }')
	compopt -o nospace
	mapfile -t COMPREPLY < <(compgen -P "$before" -W "none $keys" -- \
		"${cur##*,}")
	[ "$before" ] || [ ${#COMPREPLY[@]} -gt 0 ] || _filedir
}

complete -F _lguest lguest
