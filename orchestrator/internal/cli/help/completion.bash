# Completion of chexp's commands and flags for bash: source <(chexp completion bash)
_chexp() {
	local cur=${COMP_WORDS[COMP_CWORD]} asked
	asked=("${COMP_WORDS[@]:0:COMP_CWORD}")
	[[ $cur == -* ]] && asked+=("$cur")
	COMPREPLY=($(compgen -W "$("${asked[@]}" --generate-bash-completion 2>/dev/null)" -- "$cur"))
}
complete -o default -F _chexp chexp
