#compdef chexp
# Completion of chexp's commands and flags for zsh: chexp completion zsh >"${fpath[1]}/_chexp"
_chexp() {
	local -a asked found
	local cur=${words[CURRENT]}
	asked=("${(@)words[1,CURRENT-1]}")
	[[ $cur == -* ]] && asked+=("$cur")
	found=("${(@f)$(_CLI_ZSH_AUTOCOMPLETE_HACK=1 "${asked[@]}" --generate-bash-completion 2>/dev/null)}")
	if [[ -n ${found[1]} ]]; then
		_describe 'chexp' found
	else
		_files
	fi
}
if [[ ${funcstack[1]} == _chexp ]]; then _chexp "$@"; else compdef _chexp chexp; fi
